"""Observe only some entries: what is left out, e.g. velocities, must be remembered or guessed."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation


class ObservedEntries(TransformObservation):
    """
    Show some entries of observations that are vectors.

    :param env: the environment to wrap
    :param entries: numbers of those that are shown, from 0
    """

    def __init__(self, env: gym.Env, entries: Sequence[int]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, entries=entries)
        space, shown = env.observation_space, list(entries)
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise TypeError(f"observations must be vectors, got {space}")
        box = spaces.Box(space.low[shown], space.high[shown], dtype=space.dtype.type)
        super().__init__(env, lambda observation: observation[shown], box)


def make(base: str, entries: Sequence[int], **kwargs: Any) -> gym.Env:
    """
    Make an environment of Gymnasium's registry that shows only some entries of its observations.

    :param base: its id; how long episodes are is left to the id that this one is registered by
    :param entries: numbers of those that are shown, from 0
    :param kwargs: further arguments of ``gymnasium.make``
    """
    env = gym.make(base, max_episode_steps=-1, disable_env_checker=True, **kwargs)
    return ObservedEntries(env, entries)
