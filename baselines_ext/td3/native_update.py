"""One gradient step of TD3 in C++."""

from typing import Any

import torch as th
from stable_baselines3.td3.policies import TD3Policy

from baselines_ext.td3.losses import Td3Losses, Td3Update
from baselines_ext.updates.native.build import Ops
from baselines_ext.updates.tensors import TensorBatch


class NativeTd3Update(Td3Update):
    """
    Computes what ``Td3Update`` does, with less around it.

    :param policy: of plain multi-layer perceptrons
    :param ops: from ``native.build``
    :param options: of ``Td3Update``
    :raises NotPlainError: if the policy holds anything else
    """

    def __init__(self, policy: TD3Policy, *, ops: Ops, **options: Any) -> None:
        super().__init__(policy, **options)
        self._ops = ops
        actor, critic = ops.plain_adam(self, "actor"), ops.plain_adam(self, "critic")
        self._networks = (
            [parameter.detach() for parameter in actor.parameters],
            [parameter.detach() for parameter in self.actor_target.parameters],
            [parameter.detach() for parameter in critic.parameters],
            [parameter.detach() for parameter in self.critic_target.parameters],
            actor.state,
            critic.state,
        )
        self._n_critics = len(self.critic.networks)
        self._is_relu = ops.is_relu(policy.activation_fn)
        self._betas_and_eps = [*actor.betas_and_eps, *critic.betas_and_eps]

    def __call__(
        self, batch: TensorBatch, learning_rate: float | th.Tensor, *, update_actor: bool
    ) -> Td3Losses:
        """
        Make one gradient step; the target networks are left to ``follow``.

        :param batch: of transitions
        :param learning_rate: of both optimisers
        :param update_actor: whether it is the actor's turn
        """
        critic_loss, *actor_loss = self._ops.td3_step(
            *self._networks,
            batch,
            self.draw_noise(batch.actions),
            self._n_critics,
            self._is_relu,
            float(learning_rate),
            self._betas_and_eps,
            update_actor,
            self.target_range,
        )
        return Td3Losses(critic_loss, *(actor_loss or [None]))
