"""The learners of Stable-Baselines3, with what they need said next to them."""

import sb3_contrib
import stable_baselines3 as sb3
from gymnasium import spaces
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from baselines_ext.common.action_noise import resolve_noise
from interface.capabilities import needs


class _YamlFriendly(OffPolicyAlgorithm):
    """Accept what a YAML can say: noise without its size, ``train_freq`` as a list."""

    def _setup_model(self) -> None:
        if isinstance(self.train_freq, list):
            self.train_freq = tuple(self.train_freq)
        if isinstance(self.action_space, spaces.Box):
            n_actions = int(self.action_space.shape[0])
            self.action_noise = resolve_noise(self.action_noise, n_actions)
        super()._setup_model()


@needs(action_spaces=(spaces.Box,))
class SAC(_YamlFriendly, sb3.SAC):
    """Soft Actor-Critic (https://arxiv.org/abs/1812.05905)."""


@needs(action_spaces=(spaces.Box,))
class TD3(_YamlFriendly, sb3.TD3):
    """Twin Delayed DDPG (https://arxiv.org/abs/1802.09477)."""


@needs(action_spaces=(spaces.Box,))
class DDPG(_YamlFriendly, sb3.DDPG):
    """Deep Deterministic Policy Gradient (https://arxiv.org/abs/1509.02971)."""


@needs(action_spaces=(spaces.Box,))
class TQC(_YamlFriendly, sb3_contrib.TQC):
    """Truncated Quantile Critics (https://arxiv.org/abs/2005.04269)."""


@needs(action_spaces=(spaces.Discrete,))
class DQN(_YamlFriendly, sb3.DQN):
    """Deep Q-Network (https://arxiv.org/abs/1312.5602)."""


@needs(action_spaces=(spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))
class PPO(sb3.PPO):
    """Proximal Policy Optimisation (https://arxiv.org/abs/1707.06347)."""
