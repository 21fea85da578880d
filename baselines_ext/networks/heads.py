"""What ends a policy's network: the distribution of its actions."""

import math
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    BasePolicy,
    MultiInputActorCriticPolicy,
)
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from interface.errors import UserError

LEAST_SHARE = 1e-6
"""Distance that actions keep from the bounds, as a share of their range: there the density is 0."""


def beta_head(policy: type[BasePolicy], actions: spaces.Space) -> type[BasePolicy]:
    """
    Choose actions by a Beta distribution, which has no mass outside the bounds.

    :param policy: class that it would be
    :param actions: space of the environment, a Box with finite bounds
    :return: a class that differs in the head
    :raises UserError: for other actions, or a policy that is not one of PPO's
    """
    if policy not in _WITH_BETA:
        raise UserError(
            f"network/head=beta ends policies of ppo, got {policy.__name__}; "
            "what fits: algorithm=ppo, or network/head=auto"
        )
    if not isinstance(actions, spaces.Box) or not actions.is_bounded():
        raise UserError(
            f"network/head=beta needs continuous actions with finite bounds, got {actions}; "
            "what fits: network/head=auto"
        )
    return _WITH_BETA[policy]


class BetaDistribution(CategoricalDistribution):
    """
    A Beta distribution per action, unimodal, over [-1, 1] (Chou et al. 2017, section 4).

    It is kept in float64: in float32, densities and entropies of sharp ones lose their digits.
    SB3 asks for the class to know how many outputs there are: as of a categorical one, all
    parameters are outputs of one layer.

    :param n_actions: A
    """

    def __init__(self, n_actions: int) -> None:
        super().__init__(n_actions)
        self._to_range = n_actions * math.log(2)  # from [0, 1], where torch has it

    def proba_distribution_net(self, latent_dim: int) -> nn.Module:
        """
        Make the last layer.

        :param latent_dim: width of the layer before
        """
        return nn.Linear(latent_dim, 2 * self.action_dim)

    def proba_distribution(self, action_logits: th.Tensor) -> "BetaDistribution":
        """
        Take a distribution per observation.

        :param action_logits: (B, 2 A), before the softplus: of alpha - 1, then of beta - 1
        """
        parameters = 1 + nn.functional.softplus(action_logits.double())
        alpha, beta = parameters.chunk(2, dim=1)
        self.of_beta: Any = th.distributions.Beta(alpha, beta, validate_args=False)
        self._dtype = action_logits.dtype
        return self

    def log_prob(self, actions: th.Tensor) -> th.Tensor:
        """
        Compute log-densities.

        :param actions: (B, A) in [-1, 1]
        :return: (B,)
        """
        inside = (0.5 * (actions.double() + 1)).clamp(LEAST_SHARE, 1 - LEAST_SHARE)
        densities: th.Tensor = self.of_beta.log_prob(inside).sum(dim=1) - self._to_range
        return densities.to(self._dtype)

    def entropy(self) -> th.Tensor:
        """Compute entropies, (B,)."""
        entropies: th.Tensor = self.of_beta.entropy().sum(dim=1) + self._to_range
        return entropies.to(self._dtype)

    def sample(self) -> th.Tensor:
        """Draw actions (B, A) in [-1, 1], by numpy's generator: torch's is several times slower."""
        both = (self.of_beta.concentration1, self.of_beta.concentration0)
        alpha, beta = (each.detach().cpu().numpy() for each in both)
        drawn = th.from_numpy(drawn_from_beta(alpha, beta))
        return drawn.to(both[0].device, self._dtype)

    def mode(self) -> th.Tensor:
        """Take the means (B, A), which differ less from samples than the modes do."""
        means: th.Tensor = 2 * self.of_beta.mean - 1
        return means.to(self._dtype)


def drawn_from_beta(alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """
    Draw actions.

    :param alpha: (B, A)
    :param beta: (B, A)
    :return: (B, A) in [-1, 1]
    """
    return 2 * np.random.beta(alpha, beta) - 1


class _WithBeta(ActorCriticPolicy):
    def _build(self, lr_schedule: Schedule) -> None:
        self._squash_output = True  # SB3 then maps [-1, 1] to the environment's bounds
        self.action_dist = BetaDistribution(get_action_dim(self.action_space))
        super()._build(lr_schedule)


class BetaPolicy(_WithBeta, ActorCriticPolicy):
    """SB3's policy for flat observations with Beta distributions."""


class MultiInputBetaPolicy(_WithBeta, MultiInputActorCriticPolicy):
    """SB3's policy for Dict observations with Beta distributions."""


class CnnBetaPolicy(_WithBeta, ActorCriticCnnPolicy):
    """SB3's policy for images with Beta distributions."""


_WITH_BETA: dict[type[BasePolicy], type[BasePolicy]] = {
    ActorCriticPolicy: BetaPolicy,
    MultiInputActorCriticPolicy: MultiInputBetaPolicy,
    ActorCriticCnnPolicy: CnnBetaPolicy,
}
