"""Our environments and wrappers, and that each supported family steps."""

import tempfile
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from omegaconf import OmegaConf

import envs  # noqa: F401
from envs.episode_recorder import EpisodeRecorder
from envs.episode_seeds import EpisodeSeeds, evaluation_seeds, final_test_seeds, training_seeds
from envs.finite_check import FiniteCheck, NonFiniteEnvironmentError
from envs.point_reach import PointReach
from envs.success import SuccessInfo
from experiment.build.environments import make_env
from interface.config import NO_ENV, EnvConfig
from interface.environment_ids import environment_ids, newest_versions
from tests.running import CONF

ENV_FILES = sorted(path for path in (CONF / "env").glob("*.yaml") if path.stem != NO_ENV)


class Scripted(gym.Env):
    """Plays back rewards, infos and observations."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = spaces.Discrete(2)

    def __init__(self, steps: list[dict[str, Any]]):
        self.steps = steps

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.n = 0
        return np.zeros(1), {}

    def step(self, action):
        step = self.steps[self.n]
        self.n += 1
        observation = np.full(1, step.get("observation", 0.0))
        done = self.n == len(self.steps)
        return observation, step.get("reward", 0.0), False, done, dict(step.get("info", {}))


def play(env: gym.Env) -> list[dict[str, Any]]:
    env.reset()
    infos = []
    done = False
    while not done:
        *_, terminated, truncated, info = env.step(env.action_space.sample())
        infos.append(info)
        done = terminated or truncated
    return infos


@pytest.mark.parametrize("path", ENV_FILES, ids=lambda path: path.stem)
def test_each_supported_environment_steps_and_says_success(path):
    cfg = OmegaConf.merge(OmegaConf.structured(EnvConfig), OmegaConf.load(path))
    env = make_env(cfg, training_seeds(0))  # type: ignore[arg-type]
    observation, _ = env.reset()
    for _ in range(3):
        assert env.observation_space.contains(
            observation if not isinstance(observation, dict) else dict(observation)
        )
        observation, reward, *_, info = env.step(env.action_space.sample())
        assert isinstance(info["is_success"], bool | np.bool_ | float | np.floating)
    if hasattr(env.unwrapped, "compute_reward"):
        batch = {key: np.stack([observation[key]] * 2) for key in ("achieved_goal", "desired_goal")}
        rewards = env.get_wrapper_attr("compute_reward")(*batch.values(), {})
        np.testing.assert_allclose(rewards, [float(reward)] * 2)
    env.close()


@pytest.mark.parametrize("discrete", [False, True])
def test_point_reach_keeps_gymnasiums_contract(discrete: bool):
    check_env(PointReach(discrete=discrete), skip_render_check=True)


@given(npst.arrays(np.float32, (5, 2), elements=st.floats(-1, 1, width=32)))
@settings(max_examples=30, deadline=None)
def test_point_reach_rewards_batches_as_single_goals(goals: np.ndarray):
    env = PointReach()
    batch = env.compute_reward(goals, goals[::-1], {})
    single = [env.compute_reward(a, b, {}) for a, b in zip(goals, goals[::-1], strict=True)]
    np.testing.assert_array_equal(batch, single)


@pytest.mark.parametrize(
    ("info", "success_return", "expected"),
    [
        ({"is_success": 1.0}, None, 1.0),
        ({"success": np.True_}, None, True),
        ({"is_success": 0.0, "success": True}, None, 0.0),
        ({}, 1.5, True),
        ({}, 3.0, False),
        ({}, None, None),
    ],
)
def test_success_whatever_its_name(info, success_return, expected):
    steps = [{"reward": 1.0, "info": info}] * 2
    infos = play(SuccessInfo(Scripted(steps), success_return))
    assert infos[-1].get("is_success") == expected


def test_success_by_the_registered_threshold():
    env = SuccessInfo(gym.make("CartPole-v1"))
    assert [info["is_success"] for info in play(env)][-1] is False


def test_a_return_reaches_its_threshold_but_for_rounding():
    env = SuccessInfo(Scripted([{"reward": 0.1}] * 10), success_return=1.0)
    assert [info["is_success"] for info in play(env)] == [False] * 9 + [True]


@pytest.mark.parametrize("wrong", [{"observation": np.nan}, {"reward": np.inf}])
def test_an_environment_that_is_not_finite_is_named(wrong):
    env = FiniteCheck(Scripted([{}, wrong, {}]))
    with pytest.raises(NonFiniteEnvironmentError, match=r"Scripted returned .* at step 2"):
        play(env)


def test_every_episode_has_its_own_seed_and_can_be_played_again():
    env = EpisodeSeeds(gym.make("PointReach-v0"), training_seeds(3))
    first, second = env.reset()[0], env.reset()[0]
    env.set_wrapper_attr("next_episode", 1)
    again = env.reset(seed=99)[0]
    assert (first["desired_goal"] != second["desired_goal"]).all()
    np.testing.assert_array_equal(again["desired_goal"], second["desired_goal"])


def test_streams_of_seeds_do_not_meet():
    n = 100
    streams = [training_seeds(0), training_seeds(0, 1), training_seeds(1)]
    seeds = [stream(i) for stream in streams for i in range(n)]
    seeds += [stream(n)(i) for stream in (evaluation_seeds, final_test_seeds) for i in range(n)]
    seeds += [evaluation_seeds(n, stream)(i) for stream in (1, 2, n, 2**32) for i in range(n)]
    assert len(set(seeds)) == 9 * n
    assert evaluation_seeds(n)(0) == evaluation_seeds(n)(n)


def test_recorder_sums_up_episodes():
    infos = [{"is_success": True}, {"is_success": False}]
    env = EpisodeRecorder(Scripted([{"reward": -1.0, "info": info} for info in infos]))
    play(env)
    (episode,) = env.episodes
    assert (episode.episode_return, episode.length) == (-2.0, 2)
    assert (episode.success, episode.success_ever) == (False, True)
    assert episode.goal_distance is None


def test_ids_without_those_that_need_mujoco_py():
    ids = environment_ids()
    assert "FetchReach-v4" in ids
    assert "FetchReach-v1" not in ids


def test_newest_versions():
    names = ["A-v1", "A-v10", "A-v9", "B", "c/D-v0"]
    assert newest_versions(names) == ["A-v10", "B", "c/D-v0"]


@pytest.mark.parametrize("name", ["PointMaze_UMaze-v3", "AntMaze_UMaze-v5"])
def test_mazes_leave_no_file_behind(name, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    env = make_env(OmegaConf.structured(EnvConfig(id=name)), training_seeds(1), "rgb_array")
    env.reset()
    env.step(env.action_space.sample())
    assert env.render() is not None
    env.close()
    assert list(tmp_path.iterdir()) == []
