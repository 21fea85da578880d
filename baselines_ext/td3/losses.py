"""The losses of TD3 (https://arxiv.org/abs/1802.09477), as functions of parameters and batch."""

from collections.abc import Sequence

import torch as th

from baselines_ext.networks.plain import Network, forward, values_of
from baselines_ext.updates.tensors import TargetRange, TensorBatch


def policy_actions(actor: Network, observations: th.Tensor) -> th.Tensor:
    """
    Compute the actions of the deterministic policy.

    :param actor: squashed by tanh here
    :param observations: (B, W)
    :return: (B, A) in [-1, 1]
    """
    return th.tanh(forward(actor, observations))


def target_values(
    actor_target: Network,
    critic_target: Sequence[Network],
    batch: TensorBatch,
    noise: th.Tensor,
    target_range: TargetRange,
) -> th.Tensor:
    """
    Compute what the critics shall predict: clipped double Q-learning, smoothed (sections 4.2, 5.3).

    :param actor_target: slowly following policy
    :param critic_target: slowly following critics
    :param batch: of B transitions
    :param noise: (B, A), scaled and clipped
    :param target_range: of what can be
    :return: (B, 1)
    """
    actions = (policy_actions(actor_target, batch.next_observations) + noise).clamp(-1, 1)
    values = values_of(critic_target, batch.next_observations, actions).amin(dim=1, keepdim=True)
    return (batch.rewards + batch.discounts * values).clamp(*target_range)


def critic_loss(critics: Sequence[Network], batch: TensorBatch, targets: th.Tensor) -> th.Tensor:
    """
    Measure the critics' error.

    :param critics: in training
    :param batch: of B transitions
    :param targets: (B, 1)
    :return: scalar, summed over critics
    """
    errors = values_of(critics, batch.observations, batch.actions) - targets
    return (errors * errors).mean(dim=0).sum()


def actor_loss(actor: Network, critic: Network, observations: th.Tensor) -> th.Tensor:
    """
    Measure the policy by one critic.

    :param actor: the policy
    :param critic: the first one, without gradients
    :param observations: (B, W)
    :return: scalar
    """
    return -values_of([critic], observations, policy_actions(actor, observations)).mean()
