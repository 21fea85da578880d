"""One gradient step of TD3 in C++."""

import torch as th
from stable_baselines3.td3.policies import TD3Policy

from baselines_ext.networks.plain import parameters_of
from baselines_ext.td3.update import Td3Losses, Td3Update
from baselines_ext.updates.native.build import Ops
from baselines_ext.updates.tensors import UNBOUNDED, TargetRange, TensorBatch


class NativeTd3Update(Td3Update):
    """
    Computes what ``Td3Update`` does, with less around it.

    :param policy: of plain multi-layer perceptrons
    :param noise: standard deviation of the target policy's noise
    :param noise_clip: bound of that noise
    :param ops: from ``native.build``
    :param target_range: of what critics shall predict
    :raises NotPlainError: if the policy holds anything else
    """

    def __init__(
        self,
        policy: TD3Policy,
        noise: float,
        noise_clip: float,
        ops: Ops,
        target_range: TargetRange = UNBOUNDED,
    ) -> None:
        super().__init__(policy, noise, noise_clip, target_range)
        self._ops = ops
        self._networks = (
            [parameter.detach() for parameter in self.actor_adam.parameters],
            [parameter.detach() for parameter in self.actor_target.parameters],
            [parameter.detach() for parameter in self.critic_adam.parameters],
            [parameter.detach() for parameter in parameters_of(self.critic_target)],
            self.actor_adam.state,
            self.critic_adam.state,
        )
        self._n_critics = len(self.critic)
        self._is_relu = ops.is_relu(policy.activation_fn)
        adams = (self.actor_adam, self.critic_adam)
        self._betas_and_eps = [value for adam in adams for value in adam.betas_and_eps]

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
