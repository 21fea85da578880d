"""Soft Actor-Critic with lean updates (https://arxiv.org/abs/1812.05905)."""

from typing import Any, ClassVar

import numpy as np
import stable_baselines3 as sb3
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.sac.policies import SACPolicy

from baselines_ext.learners.actor_critic import LeanActorCritic
from baselines_ext.networks.numpy_actor import NumpyActor
from baselines_ext.networks.plain import Network, NotPlainError, PlainCritics
from baselines_ext.sac.losses import (
    LOG_STD_MAX,
    LOG_STD_MIN,
    EntropyCoefficient,
    PlainActor,
    SacUpdate,
)
from baselines_ext.sac.native_update import NativeSacUpdate
from baselines_ext.updates.native.build import Ops
from baselines_ext.updates.tensors import UNBOUNDED
from interface.needs import needs


@needs(action_spaces=(spaces.Box,))
class SAC(LeanActorCritic, sb3.SAC):
    """
    SB3's SAC: the same results from the same seed, sooner.

    :param arguments: of the SB3 class
    :param entropy_in_targets: whether values hold the entropy to come, as in the paper; False:
        entropy counts in the actor's loss alone, so that values stay those of the rewards
    :param keywords: of ``LeanActorCritic`` and the SB3 class
    """

    update_class: ClassVar[type[SacUpdate]] = SacUpdate
    """Its losses; a subclass with other ones is never replaced by the native step."""

    _update: SacUpdate | None

    def __init__(self, *arguments: Any, entropy_in_targets: bool = True, **keywords: Any) -> None:
        self.entropy_in_targets = entropy_in_targets
        super().__init__(*arguments, **keywords)

    @property
    def _needs_lean_update(self) -> bool:
        return super()._needs_lean_update or not self.entropy_in_targets

    def _make_update(self, ops: Ops | None) -> SacUpdate:
        fixed = None if self.log_ent_coef is not None else self.ent_coef_tensor
        target_entropy = float(self.target_entropy)
        ent_coef = EntropyCoefficient(
            fixed, self.log_ent_coef, self.ent_coef_optimizer, target_entropy
        )
        options: dict[str, Any] = {
            "entropy_in_targets": self.entropy_in_targets,
            "target_range": self.target_range or UNBOUNDED,
        }
        if ops is not None:
            if self.update_class is not SacUpdate:
                raise NotPlainError(f"its losses are those of {self.update_class.__name__}")
            return NativeSacUpdate(self.policy, ent_coef, ops=ops, **options)
        return self.update_class(self.policy, ent_coef, **options)

    def _networks_of(self, policy: BasePolicy) -> list[Network]:
        assert isinstance(policy, SACPolicy)
        activation = policy.activation_fn
        critics = [
            PlainCritics.of(each, activation) for each in (policy.critic, policy.critic_target)
        ]
        actor = PlainActor.of(policy.actor, activation)
        return [*actor, *critics[0].networks, *critics[1].networks]

    def _lean_update(self, gradient_steps: int, batch_size: int) -> dict[str, float]:
        assert self._update is not None
        learning_rate = self.lr_schedule(self._current_progress_remaining)
        losses = []
        for _ in range(gradient_steps):
            losses.append(self._update(self._sample_tensors(batch_size), learning_rate))
            if self._n_updates % self.target_update_interval == 0:
                self._update.follow(self.tau)
            self._n_updates += 1
        return self._means(losses)

    def _make_numpy_actor(self) -> NumpyActor | None:
        assert self._update is not None
        actor = self._update.plain
        if actor is None:
            return None
        return NumpyActor.of(
            actor.mean.layers[:-1],
            [actor.mean.layers[-1], actor.log_std.layers[-1]],
            self.policy.activation_fn,
        )

    def _act_in_numpy(
        self, actor: NumpyActor, observations: np.ndarray, *, deterministic: bool
    ) -> np.ndarray:
        mean, log_std = actor(observations)
        if deterministic:
            return np.tanh(mean)
        noise = self.rng.standard_normal(mean.shape, np.float32)
        return np.tanh(mean + np.exp(log_std.clip(LOG_STD_MIN, LOG_STD_MAX)) * noise)
