"""Stop a run where the environment, not the learner, produced the first NaN."""

from typing import Any

import gymnasium as gym
import numpy as np


class NonFiniteEnvironmentError(RuntimeError):
    """An environment returned NaN or infinity."""


class FiniteCheck(gym.Wrapper):
    """
    Refuse observations and rewards that are not finite.

    :param env: the environment to wrap
    """

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self._n_steps = 0

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, and check the observation."""
        observation, info = self.env.reset(**kwargs)
        self._check(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and check observation and reward."""
        self._n_steps += 1
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._check(observation)
        if not np.isfinite(float(reward)):
            self._refuse("reward", reward)
        return observation, reward, terminated, truncated, info

    def _check(self, observation: Any) -> None:
        if isinstance(observation, dict):
            for key, value in observation.items():
                if not np.isfinite(value).all():
                    self._refuse(f"observation[{key!r}]", value)
        elif not np.isfinite(observation).all():
            self._refuse("observation", observation)

    def _refuse(self, what: str, value: Any) -> None:
        name = self.spec.id if self.spec else type(self.unwrapped).__name__
        raise NonFiniteEnvironmentError(f"{name} returned {what} = {value} at step {self._n_steps}")
