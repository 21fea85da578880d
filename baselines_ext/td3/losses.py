"""The losses of TD3 (https://arxiv.org/abs/1802.09477), and the gradient step that they make."""

from typing import Any, NamedTuple

import torch as th
from stable_baselines3.td3.policies import TD3Policy
from torch import nn

from baselines_ext.networks.modules import ModuleCritics, ModuleNetwork
from baselines_ext.networks.plain import (
    Network,
    NotPlainError,
    PlainCritics,
    forward,
    linear_layers,
    network_of,
    require_plain,
)
from baselines_ext.updates.tensors import UNBOUNDED, TargetRange, TensorBatch
from baselines_ext.updates.update import Follower, gradients_of, optimizer_of


class Td3Losses(NamedTuple):
    """What a gradient step measured, scalars; the actor's is missing where it was not updated."""

    critic_loss: th.Tensor
    actor_loss: th.Tensor | None


class Td3Update:
    """
    Gradient steps of TD3 on the parameters of an SB3 policy.

    DDPG is TD3 with one critic, no delay and no noise. Another loss is a method of a subclass,
    which ``TD3.update_class`` names.

    :param policy: of any networks
    :param noise: standard deviation of the target policy's noise
    :param noise_clip: bound of that noise
    :param target_range: of what critics shall predict
    """

    def __init__(
        self,
        policy: TD3Policy,
        *,
        noise: float,
        noise_clip: float,
        target_range: TargetRange = UNBOUNDED,
    ) -> None:
        self.not_plain = ""
        activation = policy.activation_fn
        critics = (policy.critic, policy.critic_target)
        networks: list[Any]
        try:
            require_plain(policy, policy.actor, policy.critic)
            self.plain: PlainActor | None = PlainActor.of(policy.actor, activation)
            networks = [self.plain, PlainActor.of(policy.actor_target, activation)]
            networks += [PlainCritics.of(each, activation) for each in critics]
        except NotPlainError as reason:
            self.not_plain, self.plain = str(reason), None
            networks = [_ModuleActor(policy.actor), _ModuleActor(policy.actor_target)]
            networks += map(ModuleCritics, critics)
        self.actor, self.actor_target, self.critic, self.critic_target = networks
        self.actor_optimizer = optimizer_of(policy.actor, self.plain)
        self.critic_optimizer = optimizer_of(policy.critic, None if self.not_plain else self.critic)
        self._follower = Follower(
            [(self.critic_target, self.critic), (self.actor_target, self.actor)]
        )
        self.device = policy.device
        self.noise, self.noise_clip = noise, noise_clip
        self.target_range = target_range

    def __call__(
        self, batch: TensorBatch, learning_rate: float | th.Tensor, *, update_actor: bool
    ) -> Td3Losses:
        """
        Make one gradient step; the target networks are left to ``follow``.

        :param batch: of transitions
        :param learning_rate: of both optimisers
        :param update_actor: whether it is the actor's turn
        """
        critic_loss = self.critic_loss(batch)
        self.critic_optimizer.step(gradients_of(critic_loss, self.critic_optimizer), learning_rate)
        if not update_actor:
            return Td3Losses(critic_loss.detach(), None)
        actor_loss = self.actor_loss(batch)
        self.actor_optimizer.step(gradients_of(actor_loss, self.actor_optimizer), learning_rate)
        return Td3Losses(critic_loss.detach(), actor_loss.detach())

    def critic_loss(self, batch: TensorBatch) -> th.Tensor:
        """
        Measure the critics' error.

        :param batch: of B transitions
        :return: scalar, summed over critics
        """
        with th.no_grad():
            targets = self.target_values(batch, self.draw_noise(batch.actions))
        errors = self.critic(batch.observations, batch.actions) - targets
        return (errors * errors).mean(dim=0).sum()

    def target_values(self, batch: TensorBatch, noise: th.Tensor) -> th.Tensor:
        """
        Compute what the critics shall predict: clipped double Q-learning, smoothed (4.2, 5.3).

        :param batch: of B transitions
        :param noise: (B, A), scaled and clipped
        :return: (B, 1)
        """
        actions = (self.actor_target(batch.next_observations) + noise).clamp(-1, 1)
        values = self.critic_target(batch.next_observations, actions).amin(dim=1, keepdim=True)
        return (batch.rewards + batch.discounts * values).clamp(*self.target_range)

    def actor_loss(self, batch: TensorBatch) -> th.Tensor:
        """
        Measure the policy by the first critic.

        :param batch: of B transitions
        :return: scalar
        """
        actions = self.actor(batch.observations)
        return -self.critic.first().frozen()(batch.observations, actions).mean()

    def draw_noise(self, actions: th.Tensor) -> th.Tensor:
        """
        Draw the target policy's noise.

        :param actions: (B, A), for its shape
        """
        noise = th.randn_like(actions) * self.noise
        return noise.clamp(-self.noise_clip, self.noise_clip)

    def follow(self, tau: float) -> None:
        """
        Move the target networks towards the others.

        :param tau: how far, in [0, 1]
        """
        self._follower.follow(tau)


class PlainActor(NamedTuple):
    """
    The deterministic policy.

    :param network: squashed by tanh here
    """

    network: Network

    @classmethod
    def of(cls, actor: nn.Module, activation: type[nn.Module]) -> "PlainActor":
        """
        Read an actor.

        :param actor: SB3's
        :param activation: between its layers
        :raises NotPlainError: if it is more than a multi-layer perceptron that ends in tanh
        """
        *modules, last = actor.mu  # type: ignore[misc]
        if not isinstance(last, nn.Tanh):
            raise NotPlainError("its actor does not end in tanh")
        return cls(network_of(linear_layers(modules), activation))

    @property
    def parameters(self) -> list[th.Tensor]:
        """All parameters, in SB3's order."""
        return self.network.parameters

    @property
    def statistics(self) -> list[th.Tensor]:
        """What the network keeps beside parameters: nothing."""
        return []

    def __call__(self, observations: th.Tensor) -> th.Tensor:
        """
        Compute actions.

        :param observations: (B, W)
        :return: (B, A) in [-1, 1]
        """
        return th.tanh(forward(self.network, observations))


class _ModuleActor(ModuleNetwork):
    """The policy as SB3 computes it."""

    def __call__(self, observations: Any) -> th.Tensor:
        actions: th.Tensor = self._module(observations)
        return actions
