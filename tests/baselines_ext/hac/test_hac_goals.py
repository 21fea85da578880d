"""Where the subgoals of HAC lie: the bounds of goals, wrappers that change them, observed ones."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from baselines_ext.hac.goal_space import env_goals, goals_of, observed_goals
from envs.kitchen_goals import FlatKitchenGoals
from tests.baselines_ext.hac.test_hac import venv

GOALS = ("achieved_goal", "desired_goal")


def test_bounds_are_found_where_none_are_declared():
    unbounded = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    env = venv()
    assert isinstance(env.observation_space, spaces.Dict)
    env.observation_space["desired_goal"] = unbounded
    goals = goals_of(env, lambda achieved, desired: np.zeros(len(desired)))
    box = env_goals(env, goals, n_resets=50, margin=0.1).box
    assert (box.low < -0.9).all()
    assert (box.high > 0.9).all()
    assert (np.abs([box.low, box.high]) < 1.3).all()


class FirstCoordinate(gym.ObservationWrapper):
    """Makes goals one number, and cannot be made again."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        assert isinstance(env.observation_space, spaces.Dict)
        number = spaces.Box(-np.inf, np.inf, (1,), np.float32)
        self.observation_space = spaces.Dict(
            {**env.observation_space, **dict.fromkeys(GOALS, number)}
        )

    def observation(self, observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return observation | {key: observation[key][:1] for key in GOALS}


def test_bounds_where_a_wrapper_changes_the_goals():
    def kitchen() -> gym.Env:
        return FlatKitchenGoals(gym.make("FrankaKitchen-v1", tasks_to_complete=["kettle"]))

    env = DummyVecEnv([kitchen])
    goals = goals_of(env, lambda achieved, desired: np.zeros(len(desired)))
    box = env_goals(env, goals, n_resets=2, margin=0.1).box
    assert box.shape == (7,)
    assert box.is_bounded()
    env = DummyVecEnv([lambda: FirstCoordinate(gym.make("PointReach-v0"))])
    with pytest.raises(ValueError, match="changes the goals of PointReach-v0 but is no"):
        env_goals(env, goals_of(env, goals.reached), 2, 0.1)


def test_subgoals_of_the_observation():
    env = venv()
    goals = goals_of(env, lambda achieved, desired: np.zeros(len(desired)))
    made = observed_goals(env, goals, indices=[1], low=[-2], high=[2], thresholds=[0.5])
    assert made.achieved({"observation": np.array([[3.0, 4.0]])}) == [[4.0]]
    far_and_near = made.reached(np.array([[0.0], [0.0]]), np.array([[0.6], [0.4]]))
    np.testing.assert_array_equal(far_and_near, [False, True])
    with pytest.raises(ValueError, match="equally long, got 1, 2, 2, 2"):
        observed_goals(env, goals, [1], [0, 0], [1, 1], [1, 1])
    with pytest.raises(ValueError, match=r"\[2\] do not fit 2 observed numbers"):
        observed_goals(env, goals, [2], [0], [1], [1])
