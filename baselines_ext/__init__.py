"""
Algorithms with the API of Stable-Baselines3: ``learn``, ``predict``, ``save``, ``load``.

Here are those that SB3 lacks and the names of those that it has, so that every YAML of
``conf/algorithm`` and ``conf/learner`` says ``baselines_ext.X``. Each algorithm declares next to
its class which environment it needs.
"""

from baselines_ext.common.action_noise import normal_noise, ornstein_uhlenbeck_noise
from baselines_ext.her.her import make_her
from baselines_ext.stable_baselines import DDPG, DQN, PPO, SAC, TD3, TQC

__all__ = [
    "DDPG",
    "DQN",
    "PPO",
    "SAC",
    "TD3",
    "TQC",
    "make_her",
    "normal_noise",
    "ornstein_uhlenbeck_noise",
]
