"""The one place that says what a success is."""

from typing import Any

import gymnasium as gym

from util.rounding import at_least

SUCCESS_KEY = "is_success"
_OTHER_KEYS = ("success",)


class SuccessInfo(gym.Wrapper):
    """
    Report success as ``info["is_success"]`` at every step, whatever the environment calls it.

    Fetch and Hand say ``is_success``, the mazes and Adroit ``success``. For an environment that
    says nothing, a success is an episode whose return so far reaches a threshold. If there is no
    threshold either, nothing is reported.

    :param env: the environment to wrap
    :param success_return: the threshold; None: the reward threshold of the registry, if any
    """

    def __init__(self, env: gym.Env, success_return: float | None = None) -> None:
        super().__init__(env)
        registered = env.spec.reward_threshold if env.spec else None
        self._success_return = registered if success_return is None else success_return
        self._return = 0.0

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset the environment and the return."""
        self._return = 0.0
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and add ``is_success``."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._return += float(reward)
        if SUCCESS_KEY not in info:
            success = self._success(info)
            if success is not None:
                info[SUCCESS_KEY] = success
        return observation, reward, terminated, truncated, info

    def _success(self, info: dict[str, Any]) -> bool | None:
        for key in _OTHER_KEYS:
            if key in info:
                return bool(info[key])
        if self._success_return is None:
            return None
        return at_least(self._return, self._success_return)
