"""Twin Delayed DDPG with lean updates (https://arxiv.org/abs/1802.09477)."""

import numpy as np
import stable_baselines3 as sb3
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.td3.policies import TD3Policy

from baselines_ext.learners.actor_critic import LeanActorCritic
from baselines_ext.networks.numpy_actor import NumpyActor
from baselines_ext.networks.plain import Network, critics_of
from baselines_ext.td3.native_update import NativeTd3Update
from baselines_ext.td3.update import Td3Update, actor_of
from baselines_ext.updates.native.build import Ops
from baselines_ext.updates.tensors import UNBOUNDED
from interface.needs import needs


class LeanTd3(LeanActorCritic, sb3.TD3):
    """What TD3 and DDPG share."""

    _update: Td3Update | None

    def _make_update(self, ops: Ops | None) -> Td3Update:
        noise, noise_clip = self.target_policy_noise, self.target_noise_clip
        target_range = self.target_range or UNBOUNDED
        if ops is not None:
            return NativeTd3Update(self.policy, noise, noise_clip, ops, target_range)
        return Td3Update(self.policy, noise, noise_clip, target_range)

    def _networks_of(self, policy: BasePolicy) -> list[Network]:
        assert isinstance(policy, TD3Policy)
        activation = policy.activation_fn
        actors = [actor_of(each, activation) for each in (policy.actor, policy.actor_target)]
        critics = [critics_of(each, activation) for each in (policy.critic, policy.critic_target)]
        return [*actors, *critics[0], *critics[1]]

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
        *hidden, last = self._update.actor.layers
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
