"""One gradient step of TD3, and of DDPG, which is TD3 with one critic, no delay and no noise."""

from typing import NamedTuple

import torch as th
from stable_baselines3.td3.policies import TD3Policy
from torch import nn

from baselines_ext.networks.plain import (
    Network,
    NotPlainError,
    critics_of,
    linear_layers,
    network_of,
    parameters_of,
    require_flat_features,
)
from baselines_ext.td3.losses import actor_loss, critic_loss, target_values
from baselines_ext.updates.adam import LeanAdam
from baselines_ext.updates.tensors import UNBOUNDED, TargetRange, TensorBatch


class Td3Losses(NamedTuple):
    """What a gradient step measured, scalars; the actor's is missing where it was not updated."""

    critic_loss: th.Tensor
    actor_loss: th.Tensor | None


class Td3Update:
    """
    Gradient steps of TD3 on the parameters of an SB3 policy.

    :param policy: of plain multi-layer perceptrons
    :param noise: standard deviation of the target policy's noise
    :param noise_clip: bound of that noise
    :param target_range: of what critics shall predict
    :raises NotPlainError: if the policy holds anything else
    """

    def __init__(
        self,
        policy: TD3Policy,
        noise: float,
        noise_clip: float,
        target_range: TargetRange = UNBOUNDED,
    ) -> None:
        if policy.share_features_extractor:
            raise NotPlainError("it shares its features")
        for network in (policy.actor, policy.critic):
            require_flat_features(network)
        activation = policy.activation_fn
        self.actor = actor_of(policy.actor, activation)
        self.actor_target = actor_of(policy.actor_target, activation)
        self.critic = critics_of(policy.critic, activation)
        self.critic_target = critics_of(policy.critic_target, activation)
        self.actor_adam = LeanAdam(policy.actor.optimizer, self.actor.parameters)
        self.critic_adam = LeanAdam(policy.critic.optimizer, parameters_of(self.critic))
        self._followers_and_leaders = (
            parameters_of([*self.critic_target, self.actor_target]),
            parameters_of([*self.critic, self.actor]),
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
        with th.no_grad():
            noise = self.draw_noise(batch.actions)
            targets = target_values(
                self.actor_target, self.critic_target, batch, noise, self.target_range
            )
        loss = critic_loss(self.critic, batch, targets)
        gradients = th.autograd.grad(loss, self.critic_adam.parameters)
        self.critic_adam.step(gradients, learning_rate)
        if not update_actor:
            return Td3Losses(loss.detach(), None)
        policy_loss = actor_loss(self.actor, self.critic[0].detached(), batch.observations)
        gradients = th.autograd.grad(policy_loss, self.actor_adam.parameters)
        self.actor_adam.step(gradients, learning_rate)
        return Td3Losses(loss.detach(), policy_loss.detach())

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
        with th.no_grad():
            th._foreach_lerp_(*self._followers_and_leaders, tau)


def actor_of(actor: nn.Module, activation: type[nn.Module]) -> Network:
    """
    Read an actor; its final tanh belongs to the losses.

    :param actor: SB3's
    :param activation: between its layers
    :raises NotPlainError: if it is anything else
    """
    *modules, last = actor.mu  # type: ignore[misc]
    if not isinstance(last, nn.Tanh):
        raise NotPlainError("its actor does not end in tanh")
    return network_of(linear_layers(modules), activation)
