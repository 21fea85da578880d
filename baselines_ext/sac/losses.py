"""The losses of SAC (https://arxiv.org/abs/1812.05905), as functions of parameters and batch."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch as th

from baselines_ext.networks.plain import Network, forward, values_of
from baselines_ext.updates.tensors import TargetRange, TensorBatch

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
"""Bounds of the policy's log standard deviation, as in SB3."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
_TANH_EPSILON = 1e-6


class Actor(NamedTuple):
    """
    The policy's networks: two that share all layers but the last.

    :param mean: of the Gaussian before squashing
    :param log_std: of the Gaussian; only its last layer is its own
    """

    mean: Network
    log_std: Network

    @property
    def parameters(self) -> list[th.Tensor]:
        """All parameters, in SB3's order."""
        return self.mean.parameters + list(self.log_std.layers[-1])


def sample_actions(
    actor: Actor, observations: th.Tensor, noise: th.Tensor
) -> tuple[th.Tensor, th.Tensor]:
    """
    Draw actions of the squashed Gaussian policy (appendix C of the paper).

    :param actor: the policy
    :param observations: (B, W)
    :param noise: (B, A), standard normal
    :return: actions (B, A) in [-1, 1], their log probabilities (B, 1)
    """
    hidden = observations
    for weight, bias in actor.mean.layers[:-1]:
        hidden = actor.mean.activation(th.addmm(bias, hidden, weight.t()))
    mean = forward(actor.mean._replace(layers=actor.mean.layers[-1:]), hidden)
    log_std = forward(actor.log_std._replace(layers=actor.log_std.layers[-1:]), hidden)
    log_std = log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)
    actions = th.tanh(mean + log_std.exp() * noise)
    gaussian = -0.5 * noise * noise - log_std - _HALF_LOG_TWO_PI
    squashing = th.log(1 - actions * actions + _TANH_EPSILON)
    return actions, (gaussian - squashing).sum(dim=1, keepdim=True)


def target_values(
    actor: Actor,
    critic_target: Sequence[Network],
    batch: TensorBatch,
    noise: th.Tensor,
    ent_coef: th.Tensor | None,
    target_range: TargetRange,
) -> th.Tensor:
    """
    Compute what the critics shall predict (equations 2 and 3).

    :param actor: the policy
    :param critic_target: slowly following critics
    :param batch: of B transitions
    :param noise: (B, A), standard normal
    :param ent_coef: entropy coefficient alpha; None: values hold no entropy
    :param target_range: of what can be
    :return: (B, 1)
    """
    actions, log_prob = sample_actions(actor, batch.next_observations, noise)
    values = values_of(critic_target, batch.next_observations, actions).amin(dim=1, keepdim=True)
    if ent_coef is not None:
        values = values - ent_coef * log_prob
    return (batch.rewards + batch.discounts * values).clamp(*target_range)


def critic_loss(critics: Sequence[Network], batch: TensorBatch, targets: th.Tensor) -> th.Tensor:
    """
    Measure the critics' error (equation 5).

    :param critics: in training
    :param batch: of B transitions
    :param targets: (B, 1)
    :return: scalar, summed over critics
    """
    errors = values_of(critics, batch.observations, batch.actions) - targets
    return 0.5 * (errors * errors).mean(dim=0).sum()


def actor_loss(
    critics: Sequence[Network],
    observations: th.Tensor,
    actions: th.Tensor,
    log_prob: th.Tensor,
    ent_coef: th.Tensor,
) -> th.Tensor:
    """
    Measure the policy (equation 7).

    :param critics: without gradients
    :param observations: (B, W)
    :param actions: (B, A), of the policy, with gradients
    :param log_prob: (B, 1), of these actions
    :param ent_coef: entropy coefficient alpha
    :return: scalar
    """
    values = values_of(critics, observations, actions).amin(dim=1, keepdim=True)
    return (ent_coef * log_prob - values).mean()
