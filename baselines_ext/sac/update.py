"""One gradient step of SAC."""

from typing import NamedTuple

import torch as th
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from baselines_ext.networks.plain import (
    NotPlainError,
    critics_of,
    linear_layers,
    network_of,
    parameters_of,
    require_flat_features,
)
from baselines_ext.sac.losses import (
    Actor,
    actor_loss,
    critic_loss,
    sample_actions,
    target_values,
)
from baselines_ext.updates.adam import LeanAdam
from baselines_ext.updates.tensors import UNBOUNDED, TargetRange, TensorBatch


class SacLosses(NamedTuple):
    """What a gradient step measured, scalars."""

    critic_loss: th.Tensor
    actor_loss: th.Tensor
    ent_coef: th.Tensor
    ent_coef_loss: th.Tensor | None


class EntropyCoefficient:
    """
    The entropy coefficient alpha, fixed or learned.

    :param fixed: its value, or None
    :param log_value: learned instead, (1,)
    :param optimizer: of ``log_value``
    :param target_entropy: that the learned one aims at
    """

    def __init__(
        self,
        fixed: th.Tensor | None,
        log_value: th.Tensor | None,
        optimizer: th.optim.Optimizer | None,
        target_entropy: float,
    ) -> None:
        self._fixed = fixed
        self._log_value = log_value
        self.target_entropy = target_entropy
        self.adams: list[LeanAdam] = []  # none, or that of the coefficient
        if log_value is not None and optimizer is not None:
            self.adams.append(LeanAdam(optimizer, [log_value]))

    @property
    def tensors(self) -> list[th.Tensor]:
        """The coefficient, or its logarithm with the optimiser's state."""
        if self._log_value is None:
            assert self._fixed is not None
            return [self._fixed]
        return [self._log_value.detach(), *self.adams[0].state]

    def step(
        self, log_prob: th.Tensor, learning_rate: float | th.Tensor
    ) -> tuple[th.Tensor, th.Tensor | None]:
        """
        Learn (equation 18).

        :param log_prob: (B, 1), of the policy's actions
        :param learning_rate: of this step
        :return: the coefficient before the step, and the loss
        """
        if self._log_value is None:
            assert self._fixed is not None
            return self._fixed, None
        log_value = self._log_value.detach()
        excess = (log_prob.detach() + self.target_entropy).mean()
        value, loss = log_value.exp(), -(log_value * excess)
        self.adams[0].step([-excess.view(1)], learning_rate)
        return value, loss


class SacUpdate:
    """
    Gradient steps of SAC on the parameters of an SB3 policy.

    :param policy: of plain multi-layer perceptrons
    :param ent_coef: fixed or learned
    :param entropy_in_targets: whether values hold the entropy to come, or the actor's loss alone
    :param target_range: of what critics shall predict
    :raises NotPlainError: if the policy holds anything else
    """

    def __init__(
        self,
        policy: SACPolicy,
        ent_coef: EntropyCoefficient,
        *,
        entropy_in_targets: bool = True,
        target_range: TargetRange = UNBOUNDED,
    ) -> None:
        if policy.actor.use_sde or policy.share_features_extractor:
            raise NotPlainError("it uses gSDE or shares its features")
        for network in (policy.actor, policy.critic, policy.critic_target):
            require_flat_features(network)
        activation = policy.activation_fn
        self.actor = actor_of(policy)
        self.critic = critics_of(policy.critic, activation)
        self.critic_target = critics_of(policy.critic_target, activation)
        self.ent_coef = ent_coef
        self.entropy_in_targets = entropy_in_targets
        self.target_range = target_range
        self.device = policy.device
        self.actor_adam = LeanAdam(policy.actor.optimizer, self.actor.parameters)
        self.critic_adam = LeanAdam(policy.critic.optimizer, parameters_of(self.critic))
        self._followers_and_leaders = parameters_of(self.critic_target), parameters_of(self.critic)

    def __call__(self, batch: TensorBatch, learning_rate: float | th.Tensor) -> SacLosses:
        """
        Make one gradient step; the target critics are left to ``follow``.

        :param batch: of transitions
        :param learning_rate: of all optimisers
        """
        noise = th.randn_like(batch.actions)
        actions, log_prob = sample_actions(self.actor, batch.observations, noise)
        ent_coef, ent_coef_loss = self.ent_coef.step(log_prob, learning_rate)
        with th.no_grad():
            next_noise = th.randn_like(batch.actions)
            targets = target_values(
                self.actor,
                self.critic_target,
                batch,
                next_noise,
                ent_coef if self.entropy_in_targets else None,
                self.target_range,
            )
        loss = critic_loss(self.critic, batch, targets)
        gradients = th.autograd.grad(loss, self.critic_adam.parameters)
        self.critic_adam.step(gradients, learning_rate)
        frozen = [critic.detached() for critic in self.critic]
        policy_loss = actor_loss(frozen, batch.observations, actions, log_prob, ent_coef)
        gradients = th.autograd.grad(policy_loss, self.actor_adam.parameters)
        self.actor_adam.step(gradients, learning_rate)
        return SacLosses(loss.detach(), policy_loss.detach(), ent_coef, ent_coef_loss)

    def follow(self, tau: float) -> None:
        """
        Move the target critics towards the critics.

        :param tau: how far, in [0, 1]
        """
        with th.no_grad():
            th._foreach_lerp_(*self._followers_and_leaders, tau)


def actor_of(policy: SACPolicy) -> Actor:
    """
    Read the actor's networks.

    :param policy: of SB3
    :raises NotPlainError: if they are more than multi-layer perceptrons
    """
    actor = policy.actor
    hidden = linear_layers(list(actor.latent_pi))
    assert isinstance(actor.mu, nn.Linear)
    assert isinstance(actor.log_std, nn.Linear)
    activation = policy.activation_fn
    return Actor(
        network_of([*hidden, actor.mu], activation),
        network_of([*hidden, actor.log_std], activation),
    )
