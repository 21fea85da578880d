"""Keep an environment's arrays and infos apart from ours: both may change theirs later."""

import copy
from typing import Any

import gymnasium as gym
import numpy as np

# Stable-Baselines3 writes these itself, and takes them for its own.
_WRITTEN_BY_SB3 = frozenset({"episode", "terminal_observation", "TimeLimit.truncated"})


class OwnResults(gym.Wrapper):
    """
    Hand out copies where vectorised environments hand on what they got.

    They copy observations and infos only after the automatic reset, which may change the last
    observation of an episode and the lists in its info. They also write into infos: an environment
    that hands out the same dict again would report an episode's end at every step.

    :param env: the environment to wrap
    """

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, with an action, a last observation and an info that belong to the caller."""
        if isinstance(action, np.ndarray):
            action = action.copy()
        observation, reward, terminated, truncated, info = self.env.step(action)
        info = dict(info)
        if not _WRITTEN_BY_SB3.isdisjoint(info):
            for key in _WRITTEN_BY_SB3:
                info.pop(key, None)
        if terminated or truncated:
            observation, info = copy.deepcopy((observation, info))
        return observation, reward, terminated, truncated, info
