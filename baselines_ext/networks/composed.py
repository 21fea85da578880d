"""SB3's actor-critic policy from parts: a head of one's own, a memory."""

from collections.abc import Collection
from functools import partial
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.distributions import DiagGaussianDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from baselines_ext.networks.cells import Memory, Unroll, Unrolled, unroll
from baselines_ext.networks.extractors import MemoryExtractor, SharedExtractor
from baselines_ext.networks.heads import Head
from interface.errors import UserError

State = np.ndarray
"""What an agent remembers: (B, S) float32, one row per environment."""


class ComposedPolicy(ActorCriticPolicy):
    """
    SB3's policy with another head, with memory, or with layers that actor and critic share.

    With memory, what SB3 asks of a policy for rows of observations (``forward``,
    ``evaluate_actions``, ...) is answered as if an episode began with each of them; ``predict``
    carries the state.

    :param arguments: of SB3's policy
    :param head: makes the distribution from the space of actions; None: as SB3 chooses
    :param memory: puts a cell in the place of the last dense layers; None: there is none
    :param shared: whether actor and critic share their hidden layers and the cell
    :param keywords: of SB3's policy
    :raises UserError: if there is no dense layer to replace, or for gSDE
    """

    def __init__(
        self,
        *arguments: Any,
        head: Head | None = None,
        memory: Memory | None = None,
        shared: bool = False,
        **keywords: Any,
    ) -> None:
        if keywords.get("use_sde"):
            raise UserError(
                "algorithm.use_sde=true has a head of its own and no memory; "
                "what fits: algorithm.use_sde=false, or network/head=auto network/cell=none"
            )
        if memory and keywords.get("net_arch") is None:
            keywords["net_arch"] = [64, 64]  # SB3's, which has none after a CNN
        self.head = head
        self.memory = memory
        self.shared = shared
        super().__init__(*arguments, **keywords)

    @property
    def nets(self) -> "MemoryExtractor":
        """What comes before the heads, with memory."""
        extractor = self.mlp_extractor
        assert isinstance(extractor, MemoryExtractor)
        return extractor

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own = {"head": self.head, "memory": self.memory, "shared": self.shared}
        return super()._get_constructor_parameters() | own

    # ---- building

    def _build_mlp_extractor(self) -> None:
        arguments = (self.features_dim, self.net_arch, self.activation_fn)
        if self.memory is not None:
            self.mlp_extractor = MemoryExtractor(self.memory, *arguments, shared=self.shared)
        elif self.shared:
            self.mlp_extractor = SharedExtractor(*arguments)
        else:
            super()._build_mlp_extractor()

    def _build(self, lr_schedule: Schedule) -> None:
        """Make the networks as SB3 does, for any distribution."""
        if self.head is not None:
            self.action_dist = self.head(self.action_space)
            self._squash_output = getattr(self.action_dist, "squashes", False)
        self._build_mlp_extractor()
        width = self.mlp_extractor.latent_dim_pi
        if isinstance(self.action_dist, DiagGaussianDistribution):
            self.action_net, self.log_std = self.action_dist.proba_distribution_net(
                width, self.log_std_init
            )
        else:
            self.action_net = self.action_dist.proba_distribution_net(latent_dim=width)  # type: ignore[assignment]
        self.value_net = nn.Linear(self.mlp_extractor.latent_dim_vf, 1)
        if self.ortho_init:
            self._draw_weights()
        make: Any = self.optimizer_class
        self.optimizer = make(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _draw_weights(self) -> None:
        readers = dict.fromkeys((self.pi_features_extractor, self.vf_features_extractor))
        gains = [(reader, np.sqrt(2)) for reader in (*readers, self.mlp_extractor)]
        for module, gain in [*gains, (self.action_net, 0.01), (self.value_net, 1)]:
            module.apply(partial(self.init_weights, gain=gain))

    def _get_action_dist_from_latent(self, latent_pi: th.Tensor) -> Distribution:
        outputs = self.action_net(latent_pi)
        if isinstance(self.action_dist, DiagGaussianDistribution):
            return self.action_dist.proba_distribution(outputs, self.log_std)
        distribution: Distribution = self.action_dist.proba_distribution(outputs)
        return distribution

    # ---- memory

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """
        Choose actions.

        :param observation: one, or a batch
        :param state: that the last call returned, None at first
        :param episode_start: of each environment, whether an episode begins; None: nowhere
        :param deterministic: the distribution's mode instead of a sample
        :return: actions in the environment's range, and the state for the next call
        """
        if self.memory is None:
            return super().predict(observation, state, episode_start, deterministic)
        seen, is_batch = self.obs_to_tensor(observation)
        chosen, state = self.act(seen, state, episode_start, deterministic=deterministic)
        actions = in_range(self, chosen.reshape(-1, *self.action_space.shape))  # type: ignore[misc]
        return (actions if is_batch else actions.squeeze(axis=0)), state

    def act(
        self, seen: Any, state: State | None, starts: np.ndarray | None, *, deterministic: bool
    ) -> tuple[np.ndarray, State]:
        """
        Choose actions as the head has them.

        :param seen: observations of B environments as tensors
        :param state: what they remember, None: nothing
        :param starts: (B,), whether an episode begins; None: nowhere
        :param deterministic: the mode instead of a sample
        :return: (B, ...), and what is remembered then
        """
        self.set_training_mode(False)
        with th.no_grad():
            features = self._features("policy", seen)
            cell = self.nets.cell("policy")
            before = remembered(state, starts, len(features), cell.state_size)
            x = self.nets.dense("policy")(features)
            y, after = cell(x[None], th.as_tensor(before, device=self.device).to(x.dtype))
            chosen = self._get_action_dist_from_latent(y[0]).get_actions(deterministic)
        return chosen.cpu().numpy(), after.cpu().numpy()

    def unroll(
        self,
        net: str,
        seen: Any,
        starts: th.Tensor,
        state: th.Tensor,
        before: Collection[int] = (),
        by: Unroll = unroll,
    ) -> Unrolled:
        """
        Let a network go through steps.

        :param net: ``policy`` or ``value``
        :param seen: T B observations, those of a step side by side
        :param starts: (T, B), 1 where an episode begins, else 0
        :param state: of the network before the first step, (B, S)
        :param before: steps whose states are wanted
        :param by: goes through the steps of the cell
        :return: what the head reads, (T B, H), and the states
        """
        x = self.nets.dense(net)(self._features(net, seen))
        cell = self.nets.cell(net)
        outputs, states = by(cell, x.view(*starts.shape, -1), starts, state, before)
        return outputs.flatten(0, 1), states

    def evaluate_sequences(
        self, seen: Any, actions: th.Tensor, starts: th.Tensor, states: tuple[th.Tensor, th.Tensor]
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor | None]:
        """
        Evaluate sequences of actions; see ``evaluate_actions``.

        :param seen: T B observations, those of a step side by side
        :param actions: T B of them
        :param starts: (T, B), 1 where an episode begins, else 0
        :param states: of actor and critic before the first step, (B, S) each
        :return: values (T B, 1), log-probabilities (T B,), entropies (T B,) or None
        """
        latent_pi, _ = self.unroll("policy", seen, starts, states[0])
        latent_vf = latent_pi
        if not self.shared:
            latent_vf, _ = self.unroll("value", seen, starts, states[1])
        distribution = self._get_action_dist_from_latent(latent_pi)
        return self.value_net(latent_vf), distribution.log_prob(actions), distribution.entropy()

    def distribution_of(self, latent: th.Tensor) -> Distribution:
        """
        Get the distribution of actions.

        :param latent: what the head reads, (B, H)
        """
        return self._get_action_dist_from_latent(latent)

    def value_after(self, observations: Any, state: th.Tensor) -> th.Tensor:
        """
        Compute the values of what follows.

        :param observations: one, or B of them
        :param state: of the critic before, (B, S)
        :return: (B, 1)
        """
        seen, _ = self.obs_to_tensor(observations)
        nowhere = state.new_zeros(1, len(state))
        latent, _ = self.unroll("value", seen, nowhere, state)
        values: th.Tensor = self.value_net(latent)
        return values

    def _features(self, net: str, seen: Any) -> th.Tensor:
        reader = self.pi_features_extractor if net == "policy" else self.vf_features_extractor
        return super(ActorCriticPolicy, self).extract_features(seen, reader)


def remembered(state: State | None, starts: np.ndarray | None, n: int, size: int) -> State:
    """
    Forget what is of former episodes.

    :param state: (n, size), None: nothing is remembered
    :param starts: (n,), whether an episode begins; None: nowhere
    :param n: environments
    :param size: of the state
    """
    if state is None:
        return np.zeros((n, size), np.float32)
    if starts is None or not np.any(starts):
        return state
    return state * (1 - np.asarray(starts, np.float32)[:, None])


def in_range(policy: ActorCriticPolicy, chosen: np.ndarray) -> np.ndarray:
    """
    Make of actions what the environment takes, as SB3 does.

    :param policy: that chose them
    :param chosen: as its head has them, each in the shape of the space
    """
    space = policy.action_space
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    if low is None or high is None:
        return chosen
    return policy.unscale_action(chosen) if policy.squash_output else np.clip(chosen, low, high)
