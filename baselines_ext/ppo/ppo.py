"""Proximal Policy Optimisation (https://arxiv.org/abs/1707.06347)."""

import stable_baselines3 as sb3
from gymnasium import spaces

from baselines_ext.learners.schedules import SchedulesLearningRate
from interface.needs import needs


@needs(action_spaces=(spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))
class PPO(SchedulesLearningRate, sb3.PPO):
    """SB3's PPO, with schedules by name."""
