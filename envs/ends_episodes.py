"""End episodes that would not end by themselves."""

import logging
from typing import Any

import gymnasium as gym

from envs.success import SUCCESS_KEY

log = logging.getLogger(__name__)


class EndsEpisodes(gym.Wrapper):
    """
    Ends episodes that do not end by themselves; they are not successful.

    :param env: an environment that reports success, see ``envs.success``
    :param n_steps: after which an episode is ended
    """

    def __init__(self, env: gym.Env, n_steps: int) -> None:
        super().__init__(env)
        self._n_steps = n_steps
        self._step = 0
        self._is_said = False

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Start to count."""
        self._step = 0
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and end the episode if it is too long."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._step += 1
        if self._step < self._n_steps or terminated or truncated:
            return observation, reward, terminated, truncated, info
        if SUCCESS_KEY in info:
            info = info | {SUCCESS_KEY: False}
        if not self._is_said:
            self._is_said = True
            log.warning(
                "a test episode did not end within %d steps (max_evaluation_steps): "
                "it is ended and counts as not successful",
                self._n_steps,
            )
        return observation, reward, terminated, True, info
