"""Learners learn from what environments give, of any type, and act with what they hold."""

import copy
import functools
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from stable_baselines3.her.goal_selection_strategy import GoalSelectionStrategy

import baselines_ext
import envs  # noqa: F401
from baselines_ext.replay.buffer import EpisodeReplayBuffer
from baselines_ext.replay.hindsight import Hindsight


def small() -> dict[str, Any]:
    """Arguments of a small learner; SB3 writes into ``policy_kwargs``."""
    return {"policy_kwargs": {"net_arch": [16]}, "batch_size": 16, "device": "cpu"}


HINDSIGHT: dict[str, Any] = {"sampler": Hindsight(4)}


class Counted(gym.Env):
    """Observation (episode, step); goals and rewards follow from the step."""

    def __init__(self, space: spaces.Space | None = None, length: int = 10):
        self.part = space or spaces.Box(0, 1000, (2,), np.int64)
        assert self.part.shape is not None
        self.shape = self.part.shape
        keys = ("observation", "achieved_goal", "desired_goal")
        self.observation_space = spaces.Dict(dict.fromkeys(keys, self.part))
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)
        self.episode, self.length = 0, length
        self.asked: list[Any] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.n_steps = self.episode + 1, 0
        return self.look(), {}

    def look(self) -> dict[str, Any]:
        numbers = np.resize([self.episode, self.n_steps], self.shape)
        achieved = numbers.astype(self.part.dtype)
        return {"observation": achieved, "achieved_goal": achieved, "desired_goal": achieved * 0}

    def step(self, action):
        self.n_steps += 1
        seen = self.look()
        goals = (seen["achieved_goal"][None], seen["desired_goal"][None])
        reward = float(self.compute_reward(*goals, {})[0])
        return seen, reward, False, self.n_steps >= self.length, {}

    def compute_reward(self, achieved, desired, info):
        self.asked.append((achieved, desired))
        return -np.any(achieved != desired, axis=tuple(range(1, achieved.ndim))).astype(np.float32)


def episodes(model: Any) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """All stored transitions of a ``Counted``, as pairs of (episode, step)."""
    here = model.replay_buffer.observations["observation"][:, 0].tolist()
    there = model.replay_buffer.next_observations["observation"][:, 0].tolist()
    return [(tuple(one), tuple(other)) for one, other in zip(here, there, strict=True)]


def sac(env: Any, **arguments: Any) -> Any:
    chosen = {**small(), "learning_starts": 20, "seed": 1, "buffer_size": 500, **arguments}
    return baselines_ext.SAC("MultiInputPolicy", env, **chosen)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("SAC", {"continuous": True}),
        ("TD3", {"continuous": True}),
        ("DQN", {}),
        ("DQN", {"discrete_obs_space": True}),
        ("SAC", {"continuous": True, "image_obs_space": True}),
        ("DQN", {"image_obs_space": True, "channel_first": False}),
    ],
)
def test_goals_of_bits_numbers_and_pictures_are_learned_from(name, arguments):
    model = getattr(baselines_ext, name)(
        "MultiInputPolicy",
        BitFlippingEnv(n_bits=4, **arguments),
        learning_starts=20,
        buffer_size=200,
        **HINDSIGHT,
        **small(),
    )
    model.learn(40)
    assert model._n_updates > 0
    # hindsight rewards are those of the environment
    batch = model.replay_buffer.sample(200)
    reached = np.array([0.0 in row for row in batch.rewards.tolist()])
    achieved = batch.next_observations["achieved_goal"].numpy().reshape(200, -1)
    desired = batch.observations["desired_goal"].numpy().reshape(200, -1)
    assert (reached == (achieved == desired).all(axis=1)).all()
    assert reached.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.float64])
@pytest.mark.parametrize("shape", [(2,), (2, 2)])
def test_whole_goals_are_rewarded_in_their_own_type_and_shape(dtype, shape):
    env = Counted(spaces.Box(0, 200, shape, dtype))
    model = sac(env, **HINDSIGHT)
    model.learn(40)
    assert model.update_used != "sb3"
    model.replay_buffer.sample(8)
    achieved, desired = env.asked[-1]
    assert achieved.shape[1:] == desired.shape[1:] == shape
    if np.issubdtype(dtype, np.integer):
        assert achieved.dtype == desired.dtype == dtype


@pytest.mark.parametrize("value", [2**24 + 1, 2**31 - 1, 2**53 - 1])
def test_large_whole_numbers_stay_exact(value):
    space = spaces.Box(-(2**62), 2**62, (2,), np.int64)
    buffer = EpisodeReplayBuffer(10, space, spaces.Box(-1, 1, (1,)), device="cpu")
    one, other = np.full((1, 2), value), np.full((1, 2), -value)
    buffer.add(one, other, np.zeros((1, 1)), np.zeros(1), np.zeros(1), [{}])
    assert (buffer.observations == one).all()
    assert (buffer.next_observations == other).all()
    sampled: Any = buffer.sample(4)
    assert sampled.observations.dtype == th.float32


def test_whole_numbers_beyond_53_bits_are_refused():
    space = spaces.Box(-(2**62), 2**62, (2,), np.int64)
    buffer = EpisodeReplayBuffer(10, space, spaces.Box(-1, 1, (1,)), device="cpu")
    seen = np.full((1, 2), 2**53 + 2)
    with pytest.raises(ValueError, match=r"observation holds .* beyond 2\^53"):
        buffer.add(seen, seen, np.zeros((1, 1)), np.zeros(1), np.zeros(1), [{}])


class Seen(gym.ObservationWrapper):
    """Adds a picture of whole episodes and steps, and counts."""

    def __init__(self, env: gym.Env):
        super().__init__(env)
        self.observation_space = spaces.Dict(
            {
                "picture": spaces.Box(0, 255, (1, 36, 36), np.uint8),
                "numbers": spaces.Box(0, 1000, (2,), np.int64),
                "which": spaces.Discrete(5),
            }
        )

    def observation(self, observation: Any) -> dict[str, Any]:
        numbers = observation["observation"]
        return {
            "picture": np.full((1, 36, 36), numbers[1], np.uint8),
            "numbers": numbers,
            "which": int(numbers[1]) % 5,
        }


@pytest.mark.parametrize("normalized", [False, True])
def test_pictures_in_dicts_are_learned_from(normalized):
    venv: Any = DummyVecEnv([lambda: Seen(Counted())])
    if normalized:
        venv = VecNormalize(venv, norm_obs_keys=["numbers"])
    model = sac(venv)
    model.learn(40)
    assert model._n_updates > 0
    batch = model.replay_buffer.sample(50, model.get_vec_normalize_env())
    steps = batch.observations["picture"][:, 0, 0, 0]
    assert batch.observations["picture"].dtype == th.uint8
    assert (batch.next_observations["picture"][:, 0, 0, 0] == steps + 1).all()
    assert (batch.observations["which"] == steps % 5).all()
    if normalized:
        assert float(batch.observations["numbers"].abs().max()) < 10
        assert len(batch.observations["numbers"].unique()) > 5
    else:
        assert (batch.observations["numbers"][:, 1] == steps).all()


@pytest.mark.parametrize("name", ["SAC", "TQC"])
def test_a_second_learn_begins_new_episodes(name):
    made = getattr(baselines_ext, name)
    model = made(
        "MultiInputPolicy",
        Counted(),
        seed=1,
        buffer_size=500,
        **{**small(), "learning_starts": 900},
    )
    model.learn(25)
    model.learn(25)
    model.set_env(Counted())
    model.learn(15, reset_num_timesteps=False)
    for (episode, step), following in episodes(model):
        assert following == (episode, step + 1)
    assert model.replay_buffer.size() == 65


class StopAt(BaseCallback):
    def __init__(self, n: int):
        super().__init__()
        self.n = n

    def _on_step(self) -> bool:
        return self.num_timesteps != self.n


def test_learning_that_a_callback_stopped_goes_on_where_it_was():
    model = sac(Counted(), learning_starts=900)
    model.learn(50, callback=StopAt(13))
    model.learn(20, reset_num_timesteps=False)
    for (episode, step), following in episodes(model):
        assert following == (episode, step + 1)
    assert model.replay_buffer.size() == 33


@pytest.mark.parametrize("option", ["normalize_inputs", "relative_goals"])
def test_observations_are_normalised_once(option):
    venv = VecNormalize(DummyVecEnv([Counted]))
    with pytest.raises(ValueError, match=f"go with {option}=false"):
        sac(venv, **{option: True})
    sac(VecNormalize(DummyVecEnv([Counted]), norm_obs=False), **{option: True})


def test_statistics_of_inputs_wait_for_enough_rows():
    model = sac("PointReach-v0", learning_starts=1, normalize_inputs=True)
    model.learn(50)
    assert model.inputs.mean is None
    assert model._n_updates == 0
    model.learn(150, reset_num_timesteps=False)
    assert model._n_updates > 50
    assert (model.inputs.scale > 0.1).all()


def test_n_step_returns_are_not_said_to_be_ignored():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = sac(Counted(), n_steps=3)
    assert model.replay_buffer.sampler.n_steps == 3
    with pytest.warns(UserWarning, match="is ignored"):
        sac(Counted(), n_steps=3, replay_buffer_class=DictReplayBuffer)


@pytest.mark.parametrize("overlap", [False, True])
def test_no_update_is_left_when_learning_ends(overlap):
    model = sac(Counted(), overlap=overlap)
    model.learn(60)
    assert model._n_updates == 40


@pytest.mark.parametrize("overlap", [False, True])
def test_no_update_of_a_layer_is_left_when_learning_ends(overlap):
    learner = functools.partial(baselines_ext.SAC, learning_starts=20, batch_size=16)
    model = baselines_ext.HAC(
        "MultiInputPolicy",
        DummyVecEnv([lambda: gym.make("PointReach-v0")]),
        learners={"sac": learner},
        overlap=overlap,
        seed=1,
        device="cpu",
    )
    model.learn(60)
    assert [layer.learner._n_updates for layer in model.layers] == [40, 40]


@pytest.mark.parametrize("strategy", GoalSelectionStrategy)
def test_sb3_names_of_strategies_work(strategy):
    model = sac(Counted(), sampler=Hindsight(4, strategy))
    model.learn(40)
    assert model.replay_buffer.sampler.goals.strategy.name == strategy.name


@pytest.mark.parametrize("n_envs", [1, 2])
def test_a_buffer_looks_like_that_of_sb3(n_envs):
    made = sac(DummyVecEnv([Counted] * n_envs), learning_starts=900, buffer_size=60 * n_envs)
    sb3 = DictReplayBuffer(
        1000, made.observation_space, made.action_space, device="cpu", n_envs=n_envs
    )
    ours = made.replay_buffer
    add = ours.add

    def add_to_both(*arguments: Any) -> None:
        sb3.add(*copy.deepcopy(arguments))
        add(*arguments)

    ours.add = add_to_both
    made.learn(25 * n_envs)
    assert (ours.pos, ours.full, ours.size()) == (25, False, 25 * n_envs)
    for name in ("actions", "rewards", "dones", "timeouts"):
        assert (getattr(ours, name) == getattr(sb3, name)[:25]).all(), name
    for name in ("observations", "next_observations"):
        for key, values in getattr(ours, name).items():
            theirs = getattr(sb3, name)[key][:25]
            assert (values == theirs).all()
            assert values.dtype == theirs.dtype
    made.learn(75 * n_envs, reset_num_timesteps=False)
    assert ours.full
    n = ours.pos
    assert 50 <= n < 60
    assert (ours.dones == sb3.dones[100 - n : 100]).all()
    kept = sb3.observations["observation"][100 - n : 100]
    assert (ours.observations["observation"] == kept).all()


def test_a_copied_buffer_still_rewards_its_goals():
    model = sac(Counted(), **HINDSIGHT)
    model.learn(30)
    assert len(copy.deepcopy(model.replay_buffer).sample(8).rewards) == 8


@pytest.mark.parametrize("hindsight", [{}, HINDSIGHT])
@pytest.mark.parametrize("anew", [True, False])
@pytest.mark.filterwarnings("ignore:The last trajectory")
def test_nothing_is_glued_to_a_loaded_buffer(tmp_path: Path, anew: bool, hindsight):
    model = sac(Counted(), learning_starts=900, **hindsight)
    model.learn(13)
    model.save_replay_buffer(tmp_path / "buffer.pkl")
    dones = model.replay_buffer.dones
    model.load_replay_buffer(tmp_path / "buffer.pkl")
    assert (dones == model.replay_buffer.dones).all() != bool(hindsight)  # as SB3 does
    model.learn(13, reset_num_timesteps=anew)
    for (episode, step), following in episodes(model):
        assert following == (episode, step + 1)
    assert model.replay_buffer.size() == 26
