"""The losses of SAC (https://arxiv.org/abs/1812.05905), and the gradient step that they make."""

import math
from typing import Any, NamedTuple

import torch as th
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from baselines_ext.networks.modules import ModuleCritics
from baselines_ext.networks.plain import (
    Network,
    NotPlainError,
    PlainCritics,
    forward,
    linear_layers,
    network_of,
    require_plain,
)
from baselines_ext.updates.adam import LeanAdam
from baselines_ext.updates.tensors import UNBOUNDED, TargetRange, TensorBatch
from baselines_ext.updates.update import Follower, NotOursError, gradients_of, optimizer_of

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
"""Bounds of the policy's log standard deviation, as in SB3."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
_TANH_EPSILON = 1e-6


class SacLosses(NamedTuple):
    """What a gradient step measured, scalars."""

    critic_loss: th.Tensor
    actor_loss: th.Tensor
    ent_coef: th.Tensor
    ent_coef_loss: th.Tensor | None


class SacUpdate:
    """
    Gradient steps of SAC on the parameters of an SB3 policy.

    Another loss is a method of a subclass, which ``SAC.update_class`` names.

    :param policy: of any networks
    :param ent_coef: fixed or learned
    :param entropy_in_targets: whether values hold the entropy to come, or the actor's loss alone
    :param target_range: of what critics shall predict
    :raises NotOursError: if the policy explores by gSDE, whose noise is in its weights
    """

    def __init__(
        self,
        policy: SACPolicy,
        ent_coef: "EntropyCoefficient",
        *,
        entropy_in_targets: bool = True,
        target_range: TargetRange = UNBOUNDED,
    ) -> None:
        if policy.actor.use_sde:
            raise NotOursError("it uses gSDE")
        self.not_plain = ""
        activation = policy.activation_fn
        critics = (policy.critic, policy.critic_target)
        networks: list[Any]
        try:
            require_plain(policy, policy.actor, policy.critic, policy.critic_target)
            self.plain: PlainActor | None = PlainActor.of(policy.actor, activation)
            networks = [self.plain, *(PlainCritics.of(each, activation) for each in critics)]
        except NotPlainError as reason:
            self.not_plain, self.plain = str(reason), None
            networks = [_ModuleActor(policy.actor), *map(ModuleCritics, critics)]
        self.actor, self.critic, self.critic_target = networks
        self.ent_coef = ent_coef
        self.entropy_in_targets = entropy_in_targets
        self.target_range = target_range
        self.device = policy.device
        self.actor_optimizer = optimizer_of(policy.actor, self.plain)
        self.critic_optimizer = optimizer_of(policy.critic, None if self.not_plain else self.critic)
        self._follower = Follower([(self.critic_target, self.critic)])

    def __call__(self, batch: TensorBatch, learning_rate: float | th.Tensor) -> SacLosses:
        """
        Make one gradient step; the target critics are left to ``follow``.

        :param batch: of transitions
        :param learning_rate: of all optimisers
        """
        noise = th.randn_like(batch.actions)
        actions, log_prob = self.sample_actions(batch.observations, noise)
        ent_coef, ent_coef_loss = self.ent_coef.step(log_prob, learning_rate)
        critic_loss = self.critic_loss(batch, ent_coef)
        self.critic_optimizer.step(gradients_of(critic_loss, self.critic_optimizer), learning_rate)
        actor_loss = self.actor_loss(batch, actions, log_prob, ent_coef)
        self.actor_optimizer.step(gradients_of(actor_loss, self.actor_optimizer), learning_rate)
        return SacLosses(critic_loss.detach(), actor_loss.detach(), ent_coef, ent_coef_loss)

    def sample_actions(
        self, observations: th.Tensor, noise: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """
        Draw actions of the squashed Gaussian policy (appendix C of the paper).

        :param observations: of the batch
        :param noise: (B, A), standard normal
        :return: actions (B, A) in [-1, 1], their log probabilities (B, 1)
        """
        mean, log_std = self.actor(observations)
        actions = th.tanh(mean + log_std.exp() * noise)
        gaussian = -0.5 * noise * noise - log_std - _HALF_LOG_TWO_PI
        squashing = th.log(1 - actions * actions + _TANH_EPSILON)
        return actions, (gaussian - squashing).sum(dim=1, keepdim=True)

    def critic_loss(self, batch: TensorBatch, ent_coef: th.Tensor) -> th.Tensor:
        """
        Measure the critics' error (equation 5).

        :param batch: of B transitions
        :param ent_coef: entropy coefficient alpha
        :return: scalar, summed over critics
        """
        with th.no_grad():
            targets = self.target_values(batch, th.randn_like(batch.actions), ent_coef)
        errors = self.critic(batch.observations, batch.actions) - targets
        return 0.5 * (errors * errors).mean(dim=0).sum()

    def target_values(self, batch: TensorBatch, noise: th.Tensor, ent_coef: th.Tensor) -> th.Tensor:
        """
        Compute what the critics shall predict (equations 2 and 3).

        :param batch: of B transitions
        :param noise: (B, A), standard normal
        :param ent_coef: entropy coefficient alpha
        :return: (B, 1)
        """
        actions, log_prob = self.sample_actions(batch.next_observations, noise)
        values = self.critic_target(batch.next_observations, actions).amin(dim=1, keepdim=True)
        if self.entropy_in_targets:
            values = values - ent_coef * log_prob
        return (batch.rewards + batch.discounts * values).clamp(*self.target_range)

    def actor_loss(
        self,
        batch: TensorBatch,
        actions: th.Tensor,
        log_prob: th.Tensor,
        ent_coef: th.Tensor,
    ) -> th.Tensor:
        """
        Measure the policy (equation 7).

        :param batch: of B transitions
        :param actions: (B, A), of the policy, with gradients
        :param log_prob: (B, 1), of these actions
        :param ent_coef: entropy coefficient alpha
        :return: scalar
        """
        values = self.critic.frozen()(batch.observations, actions).amin(dim=1, keepdim=True)
        return (ent_coef * log_prob - values).mean()

    def follow(self, tau: float) -> None:
        """
        Move the target critics towards the critics.

        :param tau: how far, in [0, 1]
        """
        self._follower.follow(tau)


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


class PlainActor(NamedTuple):
    """
    The policy's networks: two that share all layers but the last.

    :param mean: of the Gaussian before squashing
    :param log_std: of the Gaussian; only its last layer is its own
    """

    mean: Network
    log_std: Network

    @classmethod
    def of(cls, actor: nn.Module, activation: type[nn.Module]) -> "PlainActor":
        """
        Read an actor.

        :param actor: SB3's
        :param activation: between its layers
        :raises NotPlainError: if it is more than multi-layer perceptrons
        """
        hidden = linear_layers(list(actor.latent_pi))  # type: ignore[arg-type]
        assert isinstance(actor.mu, nn.Linear)
        assert isinstance(actor.log_std, nn.Linear)
        return cls(
            network_of([*hidden, actor.mu], activation),
            network_of([*hidden, actor.log_std], activation),
        )

    @property
    def parameters(self) -> list[th.Tensor]:
        """All parameters, in SB3's order."""
        return self.mean.parameters + list(self.log_std.layers[-1])

    def __call__(self, observations: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Compute mean and log standard deviation."""
        hidden = observations
        for weight, bias in self.mean.layers[:-1]:
            hidden = self.mean.activation(th.addmm(bias, hidden, weight.t()))
        mean = forward(self.mean._replace(layers=self.mean.layers[-1:]), hidden)
        log_std = forward(self.log_std._replace(layers=self.log_std.layers[-1:]), hidden)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)


class _ModuleActor:
    """The policy as SB3 computes it."""

    def __init__(self, actor: nn.Module) -> None:
        self._actor = actor

    def __call__(self, observations: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        mean, log_std, _ = self._actor.get_action_dist_params(observations)  # type: ignore[operator]
        return mean, log_std
