"""Deep Q-Network (https://arxiv.org/abs/1312.5602)."""

import stable_baselines3 as sb3
from gymnasium import spaces

from baselines_ext.learners.off_policy import LeanOffPolicy
from interface.needs import needs


@needs(action_spaces=(spaces.Discrete,))
class DQN(LeanOffPolicy, sb3.DQN):
    """SB3's DQN with our replay store and rollouts."""
