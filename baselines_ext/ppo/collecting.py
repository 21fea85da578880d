"""How PPO collects: rollouts, their values, and where environments are between two of them."""

from typing import Any

import numpy as np
import stable_baselines3 as sb3
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv

from baselines_ext.learners.linked import Linked
from baselines_ext.networks.cells import Memory, Unroll
from baselines_ext.networks.composed import ComposedPolicy, State, in_range
from baselines_ext.ppo.acting import Act
from baselines_ext.ppo.running_episodes import RunningEpisodes
from baselines_ext.ppo.valuing import Cut, Steps, Valued, value, value_with_memory
from baselines_ext.updates.native.build import Ops


class CollectsRollouts(Linked, sb3.PPO):
    """
    SB3's PPO with lean rollouts: values and log-probabilities are computed at their end.

    It goes on inside episodes where a checkpoint left them.

    :param arguments: of the SB3 class
    :param keywords: of the SB3 class
    """

    policy: ActorCriticPolicy
    _act_by: Act | None
    _ops: Ops | None
    _unroll: Unroll

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._states: tuple[State | None, ...] = (None, None)
        self._sequence_states: tuple[th.Tensor, ...] = ()
        self._running: RunningEpisodes | None = None  # None: nobody knows
        super().__init__(*arguments, **keywords)

    @property
    def memory(self) -> Memory | None:
        """What the policy remembers by; None: it has no memory."""
        return getattr(self.policy, "memory", None)

    def resume_episodes(self) -> bool:
        """
        Play the running episodes again, up to where the last rollout left them.

        The environments must be about to start the very episodes that were running.

        :return: whether all of them came back to what was seen last; in one that did not, a new
            episode starts
        """
        assert self.env is not None
        normalizer = self._vec_normalize_env
        seen = (lambda given: given) if normalizer is None else normalizer.normalize_obs
        running = self._running or RunningEpisodes.before_any(self.n_envs)
        stacked, lost = running.resume(self.env, seen, self._as_taken)
        if self._running is None:
            lost = list(range(self.n_envs))
        self._last_original_obs = stacked
        self._last_obs = seen(stacked)
        if running.observations is None or self._last_episode_starts is None:
            self._last_episode_starts = np.ones(self.n_envs, bool)
        self._last_episode_starts[lost] = True
        return not lost

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """
        Collect experience as SB3 does; values and log-probabilities are computed at its end.

        :param env: to act in
        :param callback: called after each step
        :param rollout_buffer: to fill
        :param n_rollout_steps: of each environment
        :return: False if the callback ended it before
        """
        self._link_again_if_moved()
        callback.on_rollout_start()  # first: what it saves goes on with the noise that comes
        running, self._running = self._running, None
        if self._act_by is None or n_rollout_steps != rollout_buffer.buffer_size:
            begun: Any = _Begun(callback)
            ended = super().collect_rollouts(env, begun, rollout_buffer, n_rollout_steps)
        else:
            ended = self._collect(env, callback, rollout_buffer)
        normalizer: Any = self._vec_normalize_env
        if ended and hasattr(normalizer, "end_rollout"):  # see envs/frozen_normalize.py
            self._last_obs = normalizer.end_rollout()
        if ended and running is not None:
            assert self._last_episode_starts is not None
            self._running = running.after(rollout_buffer, self._last_episode_starts, self._last_obs)
        return ended

    def _collect(self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer) -> bool:
        assert self._act_by is not None
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        if self.use_sde:
            self.policy.reset_noise(env.num_envs)
        cut: list[Cut] = []
        state = self._states[0]
        for n_steps in range(rollout_buffer.buffer_size):
            if self.use_sde and self.sde_sample_freq > 0 and n_steps % self.sde_sample_freq == 0:
                self.policy.reset_noise(env.num_envs)
            starts = self._last_episode_starts
            chosen, state = self._act_by(self._last_obs, state, starts, False)
            _store(rollout_buffer.observations, n_steps, self._last_obs)
            new_obs, rewards, dones, infos = env.step(self._for_environment(chosen))
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            self._update_info_buffer(infos, dones)
            cut += _cut_by_time(n_steps, dones, infos)
            rollout_buffer.actions[n_steps] = chosen.reshape(env.num_envs, -1)
            rollout_buffer.rewards[n_steps] = rewards
            rollout_buffer.episode_starts[n_steps] = starts
            self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
        self._value(rollout_buffer, cut)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _value(self, buffer: RolloutBuffer, cut: list[Cut]) -> None:
        """Compute values, log-probabilities, advantages and returns of a whole rollout."""
        valued = self._valued(buffer, cut)
        for (step, index, _), cut_value in zip(cut, valued.cut_values, strict=True):
            buffer.rewards[step, index] += self.gamma * cut_value
        shape = buffer.rewards.shape
        buffer.values[:] = valued.values.cpu().numpy().reshape(shape)
        buffer.log_probs[:] = valued.log_prob.cpu().numpy().reshape(shape)
        buffer.pos, buffer.full = buffer.buffer_size, True
        assert self._last_episode_starts is not None
        if self._ops is None:
            last_values = valued.next_values
            buffer.compute_returns_and_advantage(last_values, self._last_episode_starts)
            return
        ends = np.vstack([buffer.episode_starts[1:], self._last_episode_starts])
        tensors = (buffer.rewards, buffer.values, ends.astype(np.float32))
        advantages = self._ops.gae(
            *map(th.from_numpy, tensors), valued.next_values.float(), self.gamma, self.gae_lambda
        )
        buffer.advantages[:] = advantages.numpy()
        buffer.returns = buffer.advantages + buffer.values

    @th.no_grad()
    def _valued(self, buffer: RolloutBuffer, cut: list[Cut]) -> Valued:
        assert self._last_episode_starts is not None
        steps = Steps(
            buffer.observations,
            self._as_actions(buffer.actions.reshape(-1, buffer.actions.shape[-1])),
            buffer.episode_starts,
            self._last_obs,
            cut,
        )
        if not self.memory:
            return value(self.policy, steps)
        assert isinstance(self.policy, ComposedPolicy)
        valued = value_with_memory(self.policy, steps, self._states, self._unroll)
        self._states, self._sequence_states = valued.states, valued.sequence_states
        return valued

    def _for_environment(self, chosen: np.ndarray) -> np.ndarray:
        """Make of actions (B, A) or (B,), as the head has them, what the environment takes."""
        actions = chosen.reshape(-1, *self.action_space.shape)  # type: ignore[misc]
        return in_range(self.policy, actions)

    def _as_taken(self, kept: np.ndarray) -> np.ndarray:
        """Make of an action of the buffer (A,) what the environment took, (1, ...)."""
        is_box = isinstance(self.action_space, spaces.Box)
        chosen = kept if is_box else kept.astype(self.action_space.dtype)
        return self._for_environment(chosen)

    def _as_actions(self, actions: np.ndarray) -> th.Tensor:
        """Make of the buffer's actions (B, A) what the policy's distribution takes."""
        tensor = th.as_tensor(actions, device=self.device)
        if isinstance(self.action_space, spaces.Discrete):
            return tensor.long().flatten()
        if isinstance(self.action_space, spaces.MultiDiscrete):
            return tensor.long()
        return tensor.to(self.policy.value_net.weight.dtype)


def _store(kept: Any, step: int, observations: Any) -> None:
    if isinstance(kept, dict):
        for key, values in kept.items():
            values[step] = np.reshape(observations[key], values.shape[1:])
    else:
        kept[step] = np.reshape(observations, kept.shape[1:])


def _cut_by_time(step: int, dones: np.ndarray, infos: list[dict[str, Any]]) -> list[Cut]:
    if not dones.any():
        return []
    return [
        (step, index, infos[index]["terminal_observation"])
        for index in np.flatnonzero(dones).tolist()
        if infos[index].get("TimeLimit.truncated", False)
    ]


class _Begun:
    """A callback that has heard of the rollout's beginning."""

    def __init__(self, callback: BaseCallback) -> None:
        self._callback = callback

    def __getattr__(self, name: str) -> Any:
        """Everything else is the callback's."""
        return getattr(self._callback, name)

    def on_rollout_start(self) -> None:
        """Do nothing."""
