"""Choose each number of an action from a few, so that learners of discrete actions take part."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import DiscretizeAction


class DiscreteActions(DiscretizeAction):
    """
    Divide each number of a bounded action evenly, its extremes included.

    Gymnasium's own takes the centres of bins, so that no action is as strong as it could be.

    :param env: the environment to wrap
    :param bins: values of each number of an action, at least 2; or a list, one for each number
    :param multidiscrete: False: one number stands for all combinations, as ``dqn`` wants it
    """

    def __init__(
        self, env: gym.Env, bins: int | tuple[int, ...] = 11, multidiscrete: bool = True
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, bins=bins, multidiscrete=multidiscrete)
        super().__init__(env, bins, multidiscrete)
        if np.any(self.bins < 2):
            raise ValueError(f"bins must be at least 2, for both extremes, got {bins}")
        self.bin_centers = [
            np.linspace(*limits) for limits in zip(self.low, self.high, self.bins, strict=True)
        ]


def make(base: str, bins: int | tuple[int, ...] = 11, **kwargs: Any) -> gym.Env:
    """
    Make an environment of Gymnasium's registry whose actions are chosen from a few.

    :param base: its id; how long episodes are is left to the id that this one is registered by
    :param bins: values of each number of an action
    :param kwargs: further arguments of ``gymnasium.make``
    """
    env = gym.make(base, max_episode_steps=-1, disable_env_checker=True, **kwargs)
    return DiscreteActions(env, bins)
