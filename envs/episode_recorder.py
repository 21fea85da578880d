"""Sum up evaluation episodes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from envs.success import SUCCESS_KEY


@dataclass(frozen=True)
class Episode:
    """
    One finished episode.

    :param episode_return: sum of rewards, undiscounted
    :param length: number of steps
    :param success: at the last step; None if the environment does not say
    :param success_ever: at any step; None if the environment does not say
    :param goal_distance: at the last step, in the env's goal unit; None without goals, or where
        achieved and desired ones are of different kinds
    :param goal: at the last step; empty without goals
    :param rewards: the least and the greatest of a step
    """

    episode_return: float
    length: int
    success: bool | None
    success_ever: bool | None
    goal_distance: float | None
    goal: tuple[float, ...] = ()
    rewards: tuple[float, float] = (-math.inf, math.inf)


def goal_distance(observation: Mapping[str, Any]) -> float | None:
    """
    Measure how far a goal is, whatever type its numbers have.

    :param observation: with goals
    :return: None if achieved and desired goal have different shapes
    """
    achieved, desired = (
        np.asarray(observation[key], np.float64) for key in ("achieved_goal", "desired_goal")
    )
    return float(np.linalg.norm(achieved - desired)) if achieved.shape == desired.shape else None


class EpisodeRecorder(gym.Wrapper):
    """
    Keep a summary of every finished episode in ``episodes``.

    :param env: an environment that reports success, see ``envs.success``
    """

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.episodes: list[Episode] = []
        self._rewards: list[float] = []
        self._successes: list[bool] = []

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Start a new episode; one that was not finished is forgotten."""
        self._rewards, self._successes = [], []
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and sum up the episode if this was its last step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._rewards.append(float(reward))
        if SUCCESS_KEY in info:
            self._successes.append(bool(info[SUCCESS_KEY]))
        if terminated or truncated:
            self.episodes.append(self._summary(observation))
        return observation, reward, terminated, truncated, info

    def _summary(self, observation: Any) -> Episode:
        distance, goal = None, ()
        if isinstance(observation, dict) and "desired_goal" in observation:
            distance = goal_distance(observation)
            goal = tuple(np.ravel(observation["desired_goal"]).tolist())
        return Episode(
            episode_return=sum(self._rewards),
            length=len(self._rewards),
            success=self._successes[-1] if self._successes else None,
            success_ever=any(self._successes) if self._successes else None,
            goal_distance=distance,
            goal=goal,
            rewards=(min(self._rewards), max(self._rewards)),
        )
