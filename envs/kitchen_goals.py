"""Franka Kitchen with flat goal vectors, as goal-conditioned learners expect them."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium_robotics.envs.franka_kitchen.kitchen_env import BONUS_THRESH

_GOAL_KEYS = ("achieved_goal", "desired_goal")


class FlatKitchenGoals(gym.ObservationWrapper, gym.utils.RecordConstructorArgs):
    """
    Join the goals of all kitchen tasks to one vector, and say when all of them are reached.

    The environment's goals are one dict per task and its reward counts tasks, each once. Here the
    reward is 0 where every task's goal is within the environment's own bound, else -1, as in the
    Fetch environments, so that it depends on the goals alone and can be recomputed in batches.

    :param env: a FrankaKitchen environment
    """

    def __init__(self, env: gym.Env) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.ObservationWrapper.__init__(self, env)
        goal = env.get_wrapper_attr("goal")
        self._tasks = list(goal)
        self._ends = np.cumsum([len(goal[task]) for task in self._tasks])
        flat = spaces.Box(-np.inf, np.inf, (int(self._ends[-1]),), np.float64)
        self.observation_space = spaces.Dict(
            {
                "observation": env.observation_space["observation"],  # type: ignore[index]
                **dict.fromkeys(_GOAL_KEYS, flat),
            }
        )

    def observation(self, observation: dict[str, Any]) -> dict[str, np.ndarray]:
        """Join the goals; arrays are copies, the environment reuses its own."""
        flat = {"observation": observation["observation"].copy()}
        for key in _GOAL_KEYS:
            flat[key] = np.concatenate([observation[key][task] for task in self._tasks])
        return flat

    def goal_positions(self, goal: np.ndarray) -> list[np.ndarray]:  # noqa: ARG002
        """
        Tell that goals are no places: they are angles and poses, one after the other.

        :param goal: of all tasks (G,)
        """
        return []

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step; the reward and ``is_success`` are of all tasks together."""
        observation, _, terminated, truncated, info = self.env.step(action)
        flat = self.observation(observation)
        reward = float(self.compute_reward(flat["achieved_goal"], flat["desired_goal"], info))
        return flat, reward, terminated, truncated, info | {"is_success": reward == 0}

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> Any:  # noqa: ARG002
        """
        Reward goals, one or a whole batch.

        :param achieved_goal: (..., G), the tasks' goals one after the other
        :param desired_goal: (..., G)
        :param info: not used
        :return: (...,), 0 where every task is done, else -1
        """
        parts = np.split(achieved_goal - desired_goal, self._ends[:-1], axis=-1)
        done = [np.linalg.norm(part, axis=-1) < BONUS_THRESH for part in parts]
        return np.logical_and.reduce(done).astype(np.float32) - 1
