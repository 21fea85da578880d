"""An epoch of PPO in one C++ call."""

import math

import numpy as np
import torch as th
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
)
from stable_baselines3.common.policies import (
    ActorCriticPolicy,
    BasePolicy,
    MultiInputActorCriticPolicy,
)

from baselines_ext.networks.heads import (
    LEAST_SHARE,
    BetaDistribution,
    BetaPolicy,
    MultiInputBetaPolicy,
)
from baselines_ext.networks.plain import (
    Network,
    NotPlainError,
    linear_layers,
    network_of,
    require_flat_features,
)
from baselines_ext.ppo.losses import PpoLosses, PpoSettings, PpoUpdate, Rollout, too_far
from baselines_ext.updates.adam import LeanAdam
from baselines_ext.updates.native.build import Ops

_POLICIES = (ActorCriticPolicy, MultiInputActorCriticPolicy, BetaPolicy, MultiInputBetaPolicy)
_HEADS: dict[type, str] = {
    CategoricalDistribution: "categorical",
    DiagGaussianDistribution: "gaussian",
    BetaDistribution: "beta",
}


class PlainActorCritic:
    """
    The networks of an SB3 policy, side by side: an actor and a critic.

    :param policy: that holds them
    :raises NotPlainError: if they are more than multi-layer perceptrons, or another head than
        a Gaussian, categorical or Beta distribution
    """

    def __init__(self, policy: BasePolicy) -> None:
        if type(policy) not in _POLICIES:
            raise NotPlainError(f"its policy is {type(policy).__name__}")
        assert isinstance(policy, ActorCriticPolicy)
        distribution = type(policy.action_dist)
        if distribution not in _HEADS:
            raise NotPlainError(f"its actions are those of a {distribution.__name__}")
        self.head: str = _HEADS[distribution]
        require_flat_features(policy)
        nets, activation = policy.mlp_extractor, policy.activation_fn
        actor = linear_layers([*nets.policy_net, policy.action_net])
        critic = linear_layers([*nets.value_net, policy.value_net])
        self.actor: Network = network_of(actor, activation)
        self.critic: Network = network_of(critic, activation)
        self.log_std: th.Tensor | None = getattr(policy, "log_std", None)

    @property
    def parameters(self) -> list[th.Tensor]:
        """All of them: the actor's, the critic's, the log standard deviation."""
        own = [] if self.log_std is None else [self.log_std]
        return [*self.actor.parameters, *self.critic.parameters, *own]


class NativePpoUpdate(PpoUpdate):
    """
    Computes what ``PpoUpdate`` does, with less around it.

    :param policy: of plain multi-layer perceptrons
    :param networks: of that policy
    :param ops: from ``native.build``
    :raises NotPlainError: if its optimiser is not plain Adam, or the activation not ReLU or Tanh
    """

    def __init__(self, policy: ActorCriticPolicy, networks: PlainActorCritic, ops: Ops) -> None:
        super().__init__(policy)
        self._ops = ops
        self._is_relu = ops.is_relu(policy.activation_fn)
        self._adam = LeanAdam(policy.optimizer, networks.parameters)
        self._parameters = [parameter.detach() for parameter in networks.parameters]
        self._head = networks.head
        self._counts = len(networks.actor.parameters), len(networks.critic.parameters)

    def epoch(
        self,
        rollout: Rollout,
        order: np.ndarray,
        batch_size: int,
        learning_rate: float,
        settings: PpoSettings,
    ) -> tuple[list[PpoLosses], bool]:
        """
        Learn from each transition once.

        :param rollout: N transitions, their observations (N, W)
        :param order: (N,), a permutation
        :param batch_size: transitions in a minibatch; the last one may be smaller
        :param learning_rate: of the optimiser
        :param settings: of the losses
        :return: see ``PpoUpdate``
        """
        rows = self._ops.ppo_epoch(
            self._parameters,
            *self._counts,
            self._head,
            self._adam.state,
            list(rollout),
            th.from_numpy(order),
            batch_size,
            self._is_relu,
            learning_rate,
            self._adam.betas_and_eps,
            _options(settings),
        )
        measured = [PpoLosses(*row) for row in rows.tolist()]
        return measured, not too_far(measured, settings)


def _options(settings: PpoSettings) -> list[float]:
    """List them in the order of ``PpoOptions``; no bound is an infinite one."""
    return [
        settings.clip_range,
        math.inf if settings.clip_range_vf is None else settings.clip_range_vf,
        settings.ent_coef,
        settings.vf_coef,
        settings.max_grad_norm,
        math.inf if settings.target_kl is None else settings.target_kl,
        float(settings.normalize_advantage),
        LEAST_SHARE,
    ]
