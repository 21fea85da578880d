"""
Algorithms with the API of Stable-Baselines3: ``learn``, ``predict``, ``save``, ``load``.

Here are those that SB3 lacks and the names of those that it has, so that users and the YAMLs
of ``conf/algorithm`` may say ``baselines_ext.X``. Each algorithm declares next to its class which
environment it needs.
"""

from baselines_ext.ddpg.ddpg import DDPG
from baselines_ext.dqn.dqn import DQN
from baselines_ext.hac.exploration import ExplorationGoals
from baselines_ext.hac.goal_space import find_subgoals
from baselines_ext.hac.hac import HAC
from baselines_ext.hac.proposal import PolicyProposal
from baselines_ext.hac.transitions import HindsightRelabelling, SubgoalTesting
from baselines_ext.her.her import make_her
from baselines_ext.learners.schedules import Cosine, Exponential, Linear, Warmup
from baselines_ext.networks.cells import Memory
from baselines_ext.networks.encoders import cnn_encoder, flat_encoder
from baselines_ext.networks.heads import (
    beta_head,
    categorical_head,
    gaussian_head,
    multi_categorical_head,
)
from baselines_ext.networks.policy import build_policy
from baselines_ext.ppo.ppo import PPO
from baselines_ext.replay.hindsight import Hindsight
from baselines_ext.replay.samplers import Sampler, Uniform
from baselines_ext.rollout.noise import normal_noise, ornstein_uhlenbeck_noise
from baselines_ext.sac.sac import SAC
from baselines_ext.td3.td3 import TD3
from baselines_ext.tqc.tqc import TQC

__all__ = [
    "DDPG",
    "DQN",
    "HAC",
    "PPO",
    "SAC",
    "TD3",
    "TQC",
    "Cosine",
    "ExplorationGoals",
    "Exponential",
    "Hindsight",
    "HindsightRelabelling",
    "Linear",
    "Memory",
    "PolicyProposal",
    "Sampler",
    "SubgoalTesting",
    "Uniform",
    "Warmup",
    "beta_head",
    "build_policy",
    "categorical_head",
    "cnn_encoder",
    "find_subgoals",
    "flat_encoder",
    "gaussian_head",
    "make_her",
    "multi_categorical_head",
    "normal_noise",
    "ornstein_uhlenbeck_noise",
]
