"""What networks read of observations."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import baselines_ext
import envs  # noqa: F401
from baselines_ext.networks.inputs import NetworkInputs

SPACE = gym.make("PointReach-v0").observation_space  # achieved, desired, observation: 2 each
SEEN = np.array([[1, 2, 4, 8, 1, 2], [3, 2, 5, 8, 3, 2]], np.float32)
WAY = np.sqrt((3**2 + 2**2) / 2)  # in the first dimension, root mean square; in the second, 6


@pytest.mark.parametrize(
    ("relative", "scaled", "expected"),
    [
        (False, False, SEEN),
        (True, False, [[1, 2, 3, 6, 1, 2], [3, 2, 2, 6, 3, 2]]),
        (False, True, [[-1 / WAY, 0, 2 / WAY, 1, -1, 0], [1 / WAY, 0, 3 / WAY, 1, 1, 0]]),
        (True, True, [[-1 / WAY, 0, 3 / WAY, 1, -1, 0], [1 / WAY, 0, 2 / WAY, 1, 1, 0]]),
    ],
)
def test_inputs(relative, scaled, expected):
    inputs = NetworkInputs(SPACE, relative=relative, scaled=scaled)
    assert inputs.ready is not scaled
    if scaled:
        inputs.learn(SEEN.copy())
    np.testing.assert_allclose(inputs(SEEN.copy()), expected, atol=1e-6)
    parts = {"achieved_goal": SEEN[:, :2], "desired_goal": SEEN[:, 2:4], "observation": SEEN[:, 4:]}
    seen = inputs.of_observation(parts)
    np.testing.assert_allclose(np.hstack([seen[key] for key in parts]), expected, atol=1e-6)


def test_what_is_far_from_the_warm_up_is_clipped():
    inputs = NetworkInputs(SPACE, relative=True, scaled=True)
    inputs.learn(SEEN.copy())
    assert inputs(SEEN[:1] + 1000).max() == 5


def test_goals_are_needed_for_ways_to_them():
    with pytest.raises(ValueError, match=r"relative_goals needs Dict observations .*, got Box"):
        NetworkInputs(spaces.Box(0, 1), relative=True, scaled=False)


@pytest.mark.parametrize("relative", [False, True])
def test_acting_in_numpy_in_torch_and_from_a_file_reads_the_same(relative: bool, tmp_path: Path):
    model = baselines_ext.SAC(
        "MultiInputPolicy",
        gym.make("PointReach-v0"),
        policy_kwargs={"net_arch": [16]},
        relative_goals=relative,
        normalize_inputs=True,
        device="cpu",
        buffer_size=1000,
    )
    model.learn(130)
    assert model.inputs.ready
    observation = {key: np.full((3, 2), 0.3, np.float32) for key in SPACE}  # type: ignore[attr-defined]
    observation["desired_goal"] = observation["desired_goal"] + 0.5
    in_numpy, _ = model.predict(observation, deterministic=True)
    model.save(tmp_path / "model.zip")
    loaded = baselines_ext.SAC.load(tmp_path / "model.zip", device="cpu")
    np.testing.assert_array_equal(loaded.predict(observation, deterministic=True)[0], in_numpy)
    model._numpy_actor = None
    in_torch, _ = model.predict(observation, deterministic=True)
    np.testing.assert_allclose(in_numpy, in_torch, atol=1e-5)


def test_the_random_share():
    model = baselines_ext.TD3(
        "MultiInputPolicy", gym.make("PointReach-v0"), random_share=0.25, device="cpu", seed=0
    )
    observation = {key: np.zeros((4000, 2), np.float32) for key in SPACE}  # type: ignore[attr-defined]
    best = model.scaled_actions(observation, deterministic=True)
    explored = model.explore(observation, 4000)
    assert (np.abs(explored - best) > 1e-6).all(axis=1).mean() == pytest.approx(0.25, abs=0.03)
