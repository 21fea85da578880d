"""An epoch of PPO in one C++ call."""

import math
from collections.abc import Collection

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
    MultiCategoricalDistribution,
    StateDependentNoiseDistribution,
)
from stable_baselines3.common.policies import (
    ActorCriticPolicy,
    BasePolicy,
    MultiInputActorCriticPolicy,
)

from baselines_ext.networks.cells import Cell, Unroll, Unrolled
from baselines_ext.networks.composed import ComposedPolicy
from baselines_ext.networks.extractors import MemoryExtractor
from baselines_ext.networks.heads import LEAST_SHARE, BetaDistribution
from baselines_ext.networks.numpy_cell import plain_cell
from baselines_ext.networks.plain import (
    Network,
    NotPlainError,
    linear_layers,
    network_of,
    require_flat_features,
)
from baselines_ext.ppo.losses import PpoLosses, PpoSettings, PpoUpdate, too_far
from baselines_ext.ppo.sequences import Rollout
from baselines_ext.updates.adam import LeanAdam
from baselines_ext.updates.native.build import Ops

_POLICIES = (ActorCriticPolicy, MultiInputActorCriticPolicy, ComposedPolicy)
_HEADS: dict[type, str] = {
    CategoricalDistribution: "categorical",
    MultiCategoricalDistribution: "multi_categorical",
    DiagGaussianDistribution: "gaussian",
    BetaDistribution: "beta",
    StateDependentNoiseDistribution: "state_gaussian",
}


class PlainActorCritic:
    """
    The networks of an SB3 policy, side by side: an actor and a critic.

    :param policy: that holds them
    :raises NotPlainError: if they are more than multi-layer perceptrons with perhaps a cell, or
        have a head that is not one of ours
    """

    def __init__(self, policy: BasePolicy) -> None:
        if type(policy) not in _POLICIES:
            raise NotPlainError(f"its policy is {type(policy).__name__}")
        assert isinstance(policy, ActorCriticPolicy)
        distribution = type(policy.action_dist)
        if distribution not in _HEADS:
            raise NotPlainError(f"its actions are those of a {distribution.__name__}")
        self.head: str = _HEADS[distribution]
        self.state_noise: StateDependentNoiseDistribution | None = None
        if isinstance(policy.action_dist, StateDependentNoiseDistribution):
            self.state_noise = _plain_noise(policy.action_dist)
        self.sizes = _sizes(policy.action_space)
        require_flat_features(policy)
        self.activation = policy.activation_fn
        nets = policy.mlp_extractor
        if nets.value_net is nets.policy_net:
            raise NotPlainError("actor and critic share their layers")
        self.cells: tuple[Cell, Cell] | None = None
        if isinstance(nets, MemoryExtractor):
            self.cells = nets.policy_cell, nets.value_cell
        actor = linear_layers([*nets.policy_net, policy.action_net])
        critic = linear_layers([*nets.value_net, policy.value_net])
        self.actor: Network = network_of(actor, self.activation)
        self.critic: Network = network_of(critic, self.activation)
        self.log_std: th.Tensor | None = getattr(policy, "log_std", None)

    @property
    def of_actor(self) -> list[th.Tensor]:
        """Its parameters, in their order: hidden layers, cell, last layer."""
        return _parameters(self.actor, self.cells and self.cells[0])

    @property
    def of_critic(self) -> list[th.Tensor]:
        """The same of the critic."""
        return _parameters(self.critic, self.cells and self.cells[1])

    @property
    def parameters(self) -> list[th.Tensor]:
        """All of them: the actor's, the critic's, the log standard deviation."""
        own = [] if self.log_std is None else [self.log_std]
        return [*self.of_actor, *self.of_critic, *own]


def _plain_noise(noise: StateDependentNoiseDistribution) -> StateDependentNoiseDistribution:
    if noise.use_expln or noise.bijector is not None or not noise.full_std:
        raise NotPlainError("its exploration has another scale, or is squashed")
    return noise


def _sizes(actions: spaces.Space) -> list[int]:
    """List how many actions there are to choose from in each place; none of continuous ones."""
    if isinstance(actions, spaces.MultiDiscrete):
        return [int(n) for n in actions.nvec.flatten()]
    return [int(actions.n)] if isinstance(actions, spaces.Discrete) else []


def _parameters(network: Network, cell: Cell | None) -> list[th.Tensor]:
    *hidden, weight, bias = network.parameters
    return [*hidden, *([] if cell is None else plain_cell(cell)), weight, bias]


class NativePpoUpdate(PpoUpdate):
    """
    Computes what ``PpoUpdate`` does, with less around it.

    :param policy: of plain networks
    :param networks: of that policy
    :param ops: from ``native.build``
    :raises NotPlainError: if its optimiser is not plain Adam, the activation not ReLU or Tanh, or
        a cell not one of torch's
    """

    def __init__(self, policy: ActorCriticPolicy, networks: PlainActorCritic, ops: Ops) -> None:
        super().__init__(policy)
        self._ops = ops
        self._is_relu = ops.is_relu(policy.activation_fn)
        self._adam = LeanAdam(policy.optimizer, networks.parameters)
        self._parameters = [parameter.detach() for parameter in networks.parameters]
        self._shape = (
            len(networks.of_actor),
            len(networks.of_critic),
            networks.cells is not None,
            networks.head,
            networks.sizes,
        )

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

        :param rollout: K sequences, their observations (N, W)
        :param order: (K,), a permutation
        :param batch_size: sequences in a minibatch; the last one may be smaller
        :param learning_rate: of the optimiser
        :param settings: of the losses
        :return: see ``PpoUpdate``
        """
        *kept, sequences = rollout
        rows = self._ops.ppo_epoch(
            self._parameters,
            *self._shape,
            self._adam.state,
            [*kept, *(sequences or ())],
            th.from_numpy(order),
            batch_size,
            self._is_relu,
            learning_rate,
            self._adam.betas_and_eps,
            _options(settings),
        )
        measured = [PpoLosses(*row) for row in rows.tolist()]
        return measured, not too_far(measured[-1], settings)


def native_unroll(ops: Ops) -> Unroll:
    """
    Go through steps in one C++ call.

    :param ops: from ``native.build``
    :return: computes what ``cells.unroll`` does, of plain cells and without gradients
    """

    def unroll(
        cell: Cell, x: th.Tensor, starts: th.Tensor, state: th.Tensor, before: Collection[int] = ()
    ) -> Unrolled:
        states = ops.unroll([each.detach() for each in plain_cell(cell)], x, starts, state)
        width = cell.module.hidden_size
        assert isinstance(width, int)
        wanted = {step: states[step - 1] if step else state for step in (*before, len(x))}
        return states[:, :, :width].contiguous(), wanted

    return unroll


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
        float(settings.pessimistic_vf_clip),
    ]
