"""Pay what a function of the user's says instead of what the environment pays."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym

Reward = Callable[[Any, Any, float, dict[str, Any]], float]
"""Called after each step with observation, action, the environment's reward and info."""


class OwnReward(gym.Wrapper):
    """
    Pay own rewards.

    One that remembers, e.g. the last action, is told by ``reset(observation)`` that an episode
    begins, if it has such a method.

    :param env: the environment to wrap
    :param reward: what is paid; of this environment alone
    """

    def __init__(self, env: gym.Env, reward: Reward) -> None:
        super().__init__(env)
        self._reward = reward
        self._begin: Callable[[Any], Any] = getattr(reward, "reset", lambda observation: None)  # noqa: ARG005

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset the environment, then the reward."""
        observation, info = self.env.reset(**kwargs)
        self._begin(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step, and pay the own reward."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        paid = float(self._reward(observation, action, float(reward), info))
        return observation, paid, terminated, truncated, info
