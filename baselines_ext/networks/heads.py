"""What ends a policy's network: the distribution of its actions, made from their space."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
    Distribution,
    MultiCategoricalDistribution,
)
from stable_baselines3.common.preprocessing import get_action_dim
from torch import nn

from interface.errors import UserError

Head = Callable[[spaces.Space], Distribution]
"""
Makes SB3's kind of distribution from the space of actions; one of your own may be the class.

Where its ``squashes`` is true, its actions lie in [-1, 1] and are mapped to the bounds; those of
others are clipped to them.
"""

LEAST_SHARE = 1e-6
"""Distance that actions keep from the bounds, as a share of their range: there the density is 0."""


def gaussian_head(actions: spaces.Space) -> DiagGaussianDistribution:
    """
    Choose actions by a Gaussian with one standard deviation for all states; they are clipped.

    :param actions: a Box
    :raises UserError: for other ones
    """
    if not isinstance(actions, spaces.Box):
        raise _misfit("gaussian", "continuous actions", actions)
    return DiagGaussianDistribution(get_action_dim(actions))


def categorical_head(actions: spaces.Space) -> CategoricalDistribution:
    """
    Choose one of n actions.

    :param actions: Discrete
    :raises UserError: for other ones
    """
    if not isinstance(actions, spaces.Discrete):
        raise _misfit("categorical", "Discrete actions", actions)
    return CategoricalDistribution(int(actions.n))


def multi_categorical_head(actions: spaces.Space) -> MultiCategoricalDistribution:
    """
    Choose several actions at once, each one of its own number of them.

    :param actions: MultiDiscrete
    :raises UserError: for other ones
    """
    if not isinstance(actions, spaces.MultiDiscrete):
        raise _misfit("multi_categorical", "MultiDiscrete actions", actions)
    return MultiCategoricalDistribution(actions.nvec.tolist())


def beta_head(actions: spaces.Space) -> "BetaDistribution":
    """
    Choose actions by a Beta distribution, which has no mass outside the bounds.

    :param actions: a Box with finite bounds
    :raises UserError: for other ones
    """
    if not isinstance(actions, spaces.Box) or not actions.is_bounded():
        raise _misfit("beta", "continuous actions with finite bounds", actions)
    return BetaDistribution(get_action_dim(actions))


def _misfit(name: str, needed: str, actions: spaces.Space) -> UserError:
    return UserError(
        f"network/head={name} needs {needed}, got {actions}; what fits: network/head=auto"
    )


class BetaDistribution(Distribution):
    """
    A Beta distribution per action, unimodal, over [-1, 1] (Chou et al. 2017, section 4).

    It is kept in float64: in float32, densities and entropies of sharp ones lose their digits.

    :param n_actions: A
    """

    squashes = True

    def __init__(self, n_actions: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._n_actions = n_actions
        self._to_range = n_actions * math.log(2)  # from [0, 1], where torch has it

    def proba_distribution_net(self, latent_dim: int) -> nn.Module:
        """
        Make the last layer.

        :param latent_dim: width of the layer before
        """
        return nn.Linear(latent_dim, 2 * self._n_actions)

    def proba_distribution(self, outputs: th.Tensor) -> "BetaDistribution":
        """
        Take a distribution per observation.

        :param outputs: (B, 2 A), before the softplus: of alpha - 1, then of beta - 1
        """
        parameters = 1 + nn.functional.softplus(outputs.double())
        alpha, beta = parameters.chunk(2, dim=1)
        self.of_beta: Any = th.distributions.Beta(alpha, beta, validate_args=False)
        self._dtype = outputs.dtype
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

    def actions_from_params(self, outputs: th.Tensor, deterministic: bool = False) -> th.Tensor:
        """
        Choose actions.

        :param outputs: (B, 2 A), of the network
        :param deterministic: the means instead of a sample
        :return: (B, A) in [-1, 1]
        """
        return self.proba_distribution(outputs).get_actions(deterministic)

    def log_prob_from_params(self, outputs: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """
        Draw actions.

        :param outputs: (B, 2 A), of the network
        :return: actions (B, A) in [-1, 1], and their log-densities (B,)
        """
        actions = self.actions_from_params(outputs)
        return actions, self.log_prob(actions)


def drawn_from_beta(alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """
    Draw actions.

    :param alpha: (B, A)
    :param beta: (B, A)
    :return: (B, A) in [-1, 1]
    """
    return 2 * np.random.beta(alpha, beta) - 1
