"""HAC in environments that are not like Fetch: episodes that end, dense rewards, other goals."""

import functools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

import baselines_ext
from baselines_ext.hac.exploration import ExplorationGoals
from baselines_ext.hac.goal_space import find_subgoals, scaled, unscaled
from baselines_ext.replay.fields import ACTION, TERMINATED
from interface.errors import UserError
from tests.baselines_ext.hac.test_hac import LEARNER, SMALL, agent, largest_difference, venv
from tests.running import TINY, train


class Falls(gym.Wrapper):
    """PointReach on a table: whoever comes to its right edge falls."""

    def step(self, action):
        observation, reward, _, truncated, info = self.env.step(action)
        return observation, reward, bool(observation["observation"][0] > 0.7), truncated, info


def falling(n_envs: int = 1) -> DummyVecEnv:
    return DummyVecEnv([lambda: Monitor(Falls(gym.make("PointReach-v0")))] * n_envs)


def test_one_layer_is_her_where_episodes_end_by_a_fall():
    arguments: dict[str, Any] = LEARNER | {"target_range": (-20, 0)}
    her: Any = baselines_ext.make_her(
        "MultiInputPolicy",
        falling(),
        {"sac": functools.partial(baselines_ext.SAC, **arguments)},
        n_sampled_goal=3,
        goals_terminate=True,
        policy_kwargs=dict(SMALL),
        seed=3,
        device="cpu",
    )
    her.learn(300)
    hac = agent(
        env=falling(), layer_classes=["sac"], time_scales=[-1], exploration=ExplorationGoals(0)
    )
    hac.learn(300)
    stored = her.replay_buffer.store.column(TERMINATED)
    assert stored.sum() > 3
    np.testing.assert_array_equal(hac.layers[0].store.column(TERMINATED), stored)
    assert largest_difference(her.policy.state_dict(), hac.policy.state_dict()) == 0


def test_all_layers_know_of_falls_and_none_takes_a_time_limit_for_one():
    model = agent(n_envs=3, env=falling(3))
    model.learn(600)
    for layer in model.layers:
        rows = np.flatnonzero(layer.store.has_action)
        fell = layer.store.column("observation")[layer.store.after(rows, 1), 0] > 0.7
        assert fell.sum() > 3
        np.testing.assert_array_equal(layer.store.column(TERMINATED)[rows, 0] == 1, fell)
    model = agent()  # PointReach ends by its limit only
    model.learn(100)
    assert all(layer.store.column(TERMINATED).sum() == 0 for layer in model.layers)


class Dense(gym.Wrapper):
    def compute_reward(self, achieved, desired, info):
        return -np.linalg.norm(achieved - desired, axis=-1)

    def step(self, action):
        seen, _, *rest = self.env.step(action)
        reward = float(self.compute_reward(seen["achieved_goal"], seen["desired_goal"], {}))
        return seen, reward, *rest


class FlatAroundTheGoal(gym.Wrapper):
    """Falls with the distance, but pays the same for all that is near."""

    def compute_reward(self, achieved, desired, info):
        return -np.maximum(np.linalg.norm(achieved - desired, axis=-1), 0.1)


DENSE = f"env.wrappers=[{{_target_: {__name__}.Dense, _partial_: true}}]"


@pytest.mark.parametrize(
    ("overrides", "who"),
    [
        (["algorithm=hac"], "HAC"),
        (["algorithm=her", "algorithm.goals_terminate=true"], "her's goals_terminate"),
        (["algorithm=her", "algorithm.n_candidates=4"], "her's n_candidates"),
    ],
)
def test_dense_rewards_are_refused_where_goals_must_be_reached(overrides, who, tmp_path):
    with pytest.raises(UserError, match=f"{who} needs rewards that tell when a goal is reached"):
        train(tmp_path, *TINY, *overrides, DENSE)


def test_rewards_that_are_flat_around_the_goal_are_no_trouble():
    agent(env=DummyVecEnv([lambda: FlatAroundTheGoal(gym.make("PointReach-v0"))])).learn(60)


class Grid(gym.Env):
    """A walk on numbers; goals of any shape and type, which are reached where they are met."""

    def __init__(self, goal_space: spaces.Space) -> None:
        self.goal_space = goal_space
        self.observation_space = spaces.Dict(
            observation=spaces.Box(-9, 9, (2,), np.float32),
            achieved_goal=goal_space,
            desired_goal=goal_space,
            more=spaces.Box(0, 1, (1,), np.float32),
        )
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)
        self._here = self._wanted = self._sample()

    def _sample(self) -> Any:
        goal = self.goal_space.sample()
        return np.asarray(goal, self.goal_space.dtype)

    def _look(self) -> dict[str, np.ndarray]:
        place = np.resize(np.ravel(self._here), 2).astype(np.float32)
        whole = {"achieved_goal": self._here, "desired_goal": self._wanted}
        return {"observation": place, **whole, "more": np.ones(1, np.float32)}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.goal_space.seed(seed)
        self._here, self._wanted = self._sample(), self._sample()
        return self._look(), {}

    def step(self, action: np.ndarray) -> Any:
        if action[0] > 0:
            self._here = self._sample()
        reward = float(self.compute_reward(self._here, self._wanted, {}))
        return self._look(), reward, False, False, {"is_success": reward == 0}

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        assert achieved.dtype == desired.dtype == self.goal_space.dtype
        if np.issubdtype(achieved.dtype, np.floating):
            same = abs(achieved - desired) < 0.4
        else:
            same = (achieved ^ desired) == 0  # of whole numbers only
        axes = tuple(range(np.ndim(same) - len(self.goal_space.shape or ()), np.ndim(same)))
        return np.float32(same.all(axis=axes)) - 1


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 3, (2,), np.int64),
        spaces.Box(0, 3, (2,), np.uint8),
        spaces.MultiBinary(2),
        spaces.MultiDiscrete([3, 2], start=[-1, 4]),
        spaces.Discrete(4, start=-2),
        spaces.Box(0, 3, (), np.int64),
        spaces.Box(-1, 1, (), np.float32),
        spaces.Box(-1, 1, (1, 2), np.float32),
    ],
    ids=str,
)
def test_goals_of_any_shape_and_type(space: spaces.Space, n_envs: int):
    def make() -> gym.Env:
        return Monitor(gym.wrappers.TimeLimit(Grid(space), 20))

    model = agent(env=DummyVecEnv([make] * n_envs), time_scales=[4, 5])
    model.learn(300, log_interval=None)
    upper, lower = model.layers
    assert 0 < np.mean(model.tally["layer_0/subgoal_success"]) < 1
    assert upper.store.n_transitions > 20
    if not np.issubdtype(space.dtype, np.floating):
        goals = lower.store.column("desired_goal")
        np.testing.assert_array_equal(goals, np.rint(goals))
    observation = make().reset(seed=1)[0]
    action, state = model.predict(observation, deterministic=True)
    action, state = model.predict(observation, state, deterministic=True)
    assert action.shape == (2,)
    assert lower.store.column("more").max() == 1  # nothing that is observed is dropped


def test_differences_of_bytes_do_not_wrap_around():
    space = spaces.Box(0, 9, (2,), np.uint8)
    model = agent(env=DummyVecEnv([lambda: Grid(space)]), time_scales=[4, 5])
    goals = model.layers[1].goals
    near = goals.achieved({"achieved_goal": np.array([[1, 2]], np.uint8)})
    far = goals.achieved({"achieved_goal": np.array([[2, 1]], np.uint8)})
    np.testing.assert_array_equal(near - far, [[-1, 1]])


def test_goals_that_do_not_fit_together():
    env = venv()
    assert isinstance(env.observation_space, spaces.Dict)
    env.observation_space["achieved_goal"] = spaces.Box(-1, 1, (3,), np.float32)
    with pytest.raises(ValueError, match=r"shape of desired ones, got \(3,\) and \(2,\)"):
        agent(env=env)


def test_bounds_of_subgoals_go_with_indices():
    make = functools.partial(find_subgoals, thresholds=[0.1, 0.1])
    with pytest.raises(ValueError, match=r"subgoal_space.thresholds=\[0.1, 0.1\] goes with"):
        agent(subgoal_space=make)


def test_an_environment_of_which_there_can_be_one_is_told_where_bounds_are_missing(monkeypatch):
    env = venv()
    assert isinstance(env.observation_space, spaces.Dict)
    env.observation_space["desired_goal"] = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def connect(*arguments: Any, **keywords: Any) -> None:
        raise ValueError("already connected")

    monkeypatch.setattr(gym, "make", connect)
    with pytest.raises(ValueError, match=r"ValueError: already connected.*give the goal space"):
        agent(env=env)


def test_a_goal_that_never_differs_in_one_direction():
    flat = spaces.Box(np.array([0, 2], np.float32), np.array([4, 2], np.float32))
    np.testing.assert_array_equal(scaled(flat, np.array([1.0, 2.0]))[:1], [-0.5])
    there = unscaled(flat, scaled(flat, np.array([1.0, 2.0])))
    np.testing.assert_array_equal(there, [1.0, 2.0])


class StopsAt(BaseCallback):
    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def _on_step(self) -> bool:
        return self.num_timesteps != self.step


def test_an_agent_that_a_callback_stopped_learns_on_where_it_was():
    model = agent(n_envs=3)
    model.learn(600, StopsAt(39))
    model.learn(63, reset_num_timesteps=False)
    assert model.num_timesteps == 102
    store = model.layers[-1].store
    rows = np.flatnonzero(store.has_action)
    assert len(rows) == 102
    here, there = (store.column("observation")[each] for each in (rows, store.after(rows, 1)))
    moved = np.clip(here + 0.2 * store.column(ACTION)[rows], -1, 1)
    np.testing.assert_allclose(there, moved, atol=1e-6)
