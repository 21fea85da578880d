"""One gradient step of SAC in C++."""

from typing import Any

import torch as th
from stable_baselines3.sac.policies import SACPolicy

from baselines_ext.sac.losses import EntropyCoefficient, SacLosses, SacUpdate
from baselines_ext.updates.native.build import Ops
from baselines_ext.updates.tensors import TensorBatch


class NativeSacUpdate(SacUpdate):
    """
    Computes what ``SacUpdate`` does, with less around it.

    :param policy: of plain multi-layer perceptrons
    :param ent_coef: fixed or learned
    :param ops: from ``native.build``
    :param options: of ``SacUpdate``
    :raises NotPlainError: if the policy holds anything else
    """

    def __init__(
        self, policy: SACPolicy, ent_coef: EntropyCoefficient, *, ops: Ops, **options: Any
    ) -> None:
        super().__init__(policy, ent_coef, **options)
        self._ops = ops
        actor, critic = ops.plain_adam(self, "actor"), ops.plain_adam(self, "critic")
        self._networks = (
            [parameter.detach() for parameter in actor.parameters],
            [parameter.detach() for parameter in critic.parameters],
            [parameter.detach() for parameter in self.critic_target.parameters],
            actor.state,
            critic.state,
            ent_coef.tensors,
        )
        self._n_critics = len(self.critic.networks)
        self._is_relu = ops.is_relu(policy.activation_fn)
        adams = (actor, critic, *ent_coef.adams)
        self._betas_and_eps = [value for adam in adams for value in adam.betas_and_eps]

    def __call__(self, batch: TensorBatch, learning_rate: float | th.Tensor) -> SacLosses:
        """
        Make one gradient step; the target critics are left to ``follow``.

        :param batch: of transitions
        :param learning_rate: of all optimisers
        """
        noise = th.randn_like(batch.actions)
        next_noise = th.randn_like(batch.actions)
        critic_loss, actor_loss, ent_coef, *ent_coef_loss = self._ops.sac_step(
            *self._networks,
            batch,
            noise,
            next_noise,
            self._n_critics,
            self._is_relu,
            float(learning_rate),
            self._betas_and_eps,
            self.ent_coef.target_entropy,
            self.entropy_in_targets,
            self.target_range,
        )
        return SacLosses(critic_loss, actor_loss, ent_coef, *(ent_coef_loss or [None]))
