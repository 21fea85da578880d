"""Keep an environment's arrays and infos apart from ours: both may change theirs later."""

import copy
import logging
import pickle
from typing import Any

import gymnasium as gym
import numpy as np

log = logging.getLogger(__name__)

# Stable-Baselines3 writes these itself, and takes them for its own.
_WRITTEN_BY_SB3 = frozenset({"episode", "terminal_observation", "TimeLimit.truncated"})


class OwnResults(gym.Wrapper):
    """
    Hand out copies where vectorised environments hand on what they got.

    They copy observations and infos only after the automatic reset, which may change the last
    observation of an episode and the lists in its info. They also write into infos: an environment
    that hands out the same dict again would report an episode's end at every step. What cannot be
    copied, seen at the first step and at the ends of episodes, is left out of infos and named.

    :param env: the environment to wrap
    """

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self._left_out: set[Any] = set(_WRITTEN_BY_SB3)
        self._is_first_step = True

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, with an action, a last observation and an info that belong to the caller."""
        if isinstance(action, np.ndarray):
            action = action.copy()
        observation, reward, terminated, truncated, info = self.env.step(action)
        info = dict(info)
        over = terminated or truncated
        if over or self._is_first_step:
            self._is_first_step = False
            self._left_out |= _uncopyable(info)
        if not self._left_out.isdisjoint(info):
            for key in self._left_out:
                info.pop(key, None)
        if over:
            observation, info = copy.deepcopy((observation, info))
        return observation, reward, terminated, truncated, info


def _uncopyable(info: dict[Any, Any]) -> set[Any]:
    """Name what neither a copy nor another process could get."""
    found = {key for key, value in info.items() if not _is_copyable(value)} - _WRITTEN_BY_SB3
    for key in found:
        kind = type(info[key]).__name__
        log.warning("info[%r] is left out: a %s cannot be copied", key, kind)
    return found


def _is_copyable(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001 (it is told, and nothing depends on it)
        return False
    return True
