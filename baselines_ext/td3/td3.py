"""Twin Delayed DDPG with lean updates (https://arxiv.org/abs/1802.09477)."""

from typing import Any, ClassVar

import numpy as np
import stable_baselines3 as sb3
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.td3.policies import TD3Policy

from baselines_ext.learners.actor_critic import LeanActorCritic
from baselines_ext.networks.numpy_actor import NumpyActor
from baselines_ext.networks.plain import Network, NotPlainError, PlainCritics
from baselines_ext.td3.losses import PlainActor, Td3Update
from baselines_ext.td3.native_update import NativeTd3Update
from baselines_ext.updates.native.build import Ops
from baselines_ext.updates.tensors import UNBOUNDED
from interface.needs import needs


class LeanTd3(LeanActorCritic, sb3.TD3):
    """What TD3 and DDPG share."""

    update_class: ClassVar[type[Td3Update]] = Td3Update
    """Its losses; a subclass with other ones is never replaced by the native step."""

    _update: Td3Update | None

    def _make_update(self, ops: Ops | None) -> Td3Update:
        options: dict[str, Any] = {
            "noise": self.target_policy_noise,
            "noise_clip": self.target_noise_clip,
            "target_range": self.target_range or UNBOUNDED,
        }
        if ops is not None:
            if self.update_class is not Td3Update:
                raise NotPlainError(f"its losses are those of {self.update_class.__name__}")
            return NativeTd3Update(self.policy, ops=ops, **options)
        return self.update_class(self.policy, **options)

    def _networks_of(self, policy: BasePolicy) -> list[Network]:
        assert isinstance(policy, TD3Policy)
        activation = policy.activation_fn
        actors = [PlainActor.of(each, activation) for each in (policy.actor, policy.actor_target)]
        critics = [
            PlainCritics.of(each, activation) for each in (policy.critic, policy.critic_target)
        ]
        networks = [actor.network for actor in actors]
        return [*networks, *critics[0].networks, *critics[1].networks]

    def _lean_update(self, gradient_steps: int, batch_size: int) -> dict[str, float]:
        assert self._update is not None
        learning_rate = self.lr_schedule(self._current_progress_remaining)
        losses = []
        for _ in range(gradient_steps):
            self._n_updates += 1
            turn = self._n_updates % self.policy_delay == 0
            batch = self._sample_tensors(batch_size)
            losses.append(self._update(batch, learning_rate, update_actor=turn))
            if turn:
                self._update.follow(self.tau)
        return self._means(losses)

    def _make_numpy_actor(self) -> NumpyActor | None:
        assert self._update is not None
        if self._update.plain is None:
            return None
        *hidden, last = self._update.plain.network.layers
        return NumpyActor.of(hidden, [last], self.policy.activation_fn)

    def _act_in_numpy(
        self,
        actor: NumpyActor,
        observations: np.ndarray,
        *,
        deterministic: bool,  # noqa: ARG002
    ) -> np.ndarray:
        (actions,) = actor(observations)
        return np.tanh(actions)


@needs(action_spaces=(spaces.Box,))
class TD3(LeanTd3):
    """SB3's TD3: the same results from the same seed, sooner."""
