"""The one place that says what a success is."""

from typing import Any

import gymnasium as gym
import numpy as np

from util.rounding import at_least

SUCCESS_KEY = "is_success"
_KEYS = (SUCCESS_KEY, "success")


class SuccessInfo(gym.Wrapper):
    """
    Report success as ``info["is_success"]``, a bool, whatever the environment calls it.

    Fetch and Hand say ``is_success``, the mazes and Adroit ``success``; what an environment calls
    it first, counts throughout, ``is_success`` before ``success``. One that reports only at the
    end, or only when it happens, is successful where its last report of the episode says so. For
    an environment that says nothing, a success is an episode whose return reaches a threshold,
    which is known when the episode ends. If there is no threshold either, nothing is reported.

    :param env: the environment to wrap
    :param success_return: the threshold; None: the reward threshold of the registry, if any
    """

    def __init__(self, env: gym.Env, success_return: float | None = None) -> None:
        super().__init__(env)
        registered = env.spec.reward_threshold if env.spec else None
        self._success_return = registered if success_return is None else success_return
        self._key: str | None = None
        self._return = 0.0
        self._last_report = False

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset the environment and the return."""
        self._return, self._last_report = 0.0, False
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and add ``is_success``."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._return += float(reward)
        success = self._success(info, over=bool(terminated or truncated))
        if success is None:
            info.pop(SUCCESS_KEY, None)
        else:
            info[SUCCESS_KEY] = success
        return observation, reward, terminated, truncated, info

    def _success(self, info: dict[str, Any], *, over: bool) -> bool | None:
        if self._key != SUCCESS_KEY:
            self._key = next((key for key in _KEYS if info.get(key) is not None), self._key)
        if self._key is None:
            if self._success_return is None:
                return None
            return over and at_least(self._return, self._success_return)
        report = info.get(self._key)
        if report is not None:
            is_array = isinstance(report, np.ndarray | list)
            self._last_report = bool(np.all(report) if is_array else report)
            return self._last_report
        return over and self._last_report
