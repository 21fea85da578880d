"""Deep Deterministic Policy Gradient with lean updates (https://arxiv.org/abs/1509.02971)."""

import stable_baselines3 as sb3
from gymnasium import spaces

from baselines_ext.td3.td3 import LeanTd3
from interface.needs import needs


@needs(action_spaces=(spaces.Box,))
class DDPG(LeanTd3, sb3.DDPG):
    """SB3's DDPG, which is TD3 with one critic, no delay and no target noise."""
