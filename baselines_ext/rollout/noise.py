"""
Exploration noise whose size is known only once there is an environment.

A config says ``action_noise: {_target_: baselines_ext.normal_noise, _partial_: true, sigma: 0.1}``;
the learner fills in the number of actions.
"""

from collections.abc import Callable

import numpy as np
from stable_baselines3.common.noise import (
    ActionNoise,
    NormalActionNoise,
    OrnsteinUhlenbeckActionNoise,
)

NoiseFactory = Callable[[int], ActionNoise]


def normal_noise(n_actions: int, sigma: float) -> ActionNoise:
    """
    Make Gaussian noise, independent at each step and in each action.

    :param n_actions: size of an action
    :param sigma: standard deviation, as a fraction of the action's half range
    """
    return NormalActionNoise(np.zeros(n_actions), np.full(n_actions, sigma))


def ornstein_uhlenbeck_noise(n_actions: int, sigma: float, theta: float = 0.15) -> ActionNoise:
    """
    Make noise that is correlated in time, as in the DDPG paper.

    :param n_actions: size of an action
    :param sigma: standard deviation of each change, as a fraction of the action's half range
    :param theta: rate of return to zero
    """
    return OrnsteinUhlenbeckActionNoise(np.zeros(n_actions), np.full(n_actions, sigma), theta)


def resolve_noise(noise: ActionNoise | NoiseFactory | None, n_actions: int) -> ActionNoise | None:
    """
    Fill in the number of actions where a config could not.

    :param noise: a noise, a function that makes one, or None
    :param n_actions: size of an action
    """
    if noise is None or isinstance(noise, ActionNoise):
        return noise
    return noise(n_actions)
