"""PPO (https://arxiv.org/abs/1707.06347) with lean rollouts and updates."""

import logging
from typing import Any, ClassVar

import numpy as np
import stable_baselines3 as sb3
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.utils import explained_variance, obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv

from baselines_ext.learners.linked import Linked
from baselines_ext.learners.schedules import SchedulesLearningRate
from baselines_ext.networks.cells import Memory, Unroll, unroll
from baselines_ext.networks.composed import ComposedPolicy, State, in_range
from baselines_ext.networks.numpy_actor import flat_observations, is_single
from baselines_ext.networks.plain import NotPlainError
from baselines_ext.ppo.acting import Act, NumpyAct, torch_act
from baselines_ext.ppo.losses import PpoLosses, PpoSettings, PpoUpdate
from baselines_ext.ppo.native_update import NativePpoUpdate, PlainActorCritic, native_unroll
from baselines_ext.ppo.sequences import Rollout, Sequences, by_environment
from baselines_ext.ppo.valuing import Cut, Steps, Valued, value, value_with_memory
from baselines_ext.updates.native.build import Ops, native_ops
from interface.errors import unknown_name
from interface.needs import needs

log = logging.getLogger(__name__)

UPDATES = ("auto", "eager", "native")


@needs(action_spaces=(spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))
class PPO(Linked, SchedulesLearningRate, sb3.PPO):
    """
    SB3's PPO: the same results from the same seed to rounding, sooner; and with memory.

    With a ``ComposedPolicy`` that has a memory, ``batch_size`` still counts transitions: a
    minibatch is ``batch_size / tbptt`` sequences.

    :param arguments: of the SB3 class
    :param update: how it acts and makes gradient steps: ``eager``, as SB3 does, bit by bit;
        ``native``, acting in numpy and a whole epoch in one C++ call, for plain multi-layer
        perceptrons on the CPU; ``auto``: native where possible
    :param pessimistic_vf_clip: see ``PpoSettings``
    :param keywords: of the SB3 class
    :raises ValueError: for another ``update``, or lengths that do not divide each other
    """

    made_from_modules = ("_update", "_ops", "_act_by", "_unroll", "_watch", "update_used")

    update_class: ClassVar[type[PpoUpdate]] = PpoUpdate
    """Its losses; a subclass with other ones is never replaced by the native epoch."""

    policy: ActorCriticPolicy

    def __init__(
        self,
        *arguments: Any,
        update: str = "auto",
        pessimistic_vf_clip: bool = False,
        **keywords: Any,
    ) -> None:
        if update not in UPDATES:
            raise unknown_name("update", update, UPDATES)
        if pessimistic_vf_clip and keywords.get("clip_range_vf") is None:
            raise ValueError("pessimistic_vf_clip=true has no effect without clip_range_vf")
        self.update_mode = update
        self.pessimistic_vf_clip = pessimistic_vf_clip
        self._states: tuple[State | None, ...] = (None, None)
        self._sequence_states: tuple[th.Tensor, ...] = ()
        super().__init__(*arguments, **keywords)

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.memory:
            self._check_lengths(self.memory.tbptt)
        self.link()

    @property
    def memory(self) -> Memory | None:
        """What the policy remembers by; None: it has no memory."""
        return getattr(self.policy, "memory", None)

    def _check_lengths(self, tbptt: int) -> None:
        for name, length in (("n_steps", self.n_steps), ("batch_size", self.batch_size)):
            if length % tbptt:
                raise ValueError(
                    f"{name} must be a multiple of network.cell.tbptt={tbptt}, got {length}"
                )
        if type(self.rollout_buffer) not in (RolloutBuffer, DictRolloutBuffer):
            raise ValueError(
                f"memory needs SB3's own rollout buffer, got {type(self.rollout_buffer).__name__}"
            )

    def link(self) -> None:
        """Make the update from SB3's policy: native if it is plain enough and that is wanted."""
        self._watch = self._watch_parameters()
        self._update = self.update_class(self.policy)
        self._ops: Ops | None = None
        self._unroll: Unroll = unroll
        self._act_by: Act | None = None  # None: as SB3 acts
        if self.memory:
            assert isinstance(self.policy, ComposedPolicy)
            self._act_by = torch_act(self.policy)
        self.update_used = "eager"
        if self.update_mode == "eager" or self.device.type != "cpu":
            return
        try:
            self._link_natively()
        except NotPlainError as reason:
            log.info("updates are eager: %s", reason)

    def _link_natively(self) -> None:
        if self.update_class is not PpoUpdate:
            raise NotPlainError(f"its losses are those of {self.update_class.__name__}")
        networks = PlainActorCritic(self.policy)
        ops = native_ops()
        if ops is None:
            return
        self._update = NativePpoUpdate(self.policy, networks, ops)
        self._ops, self.update_used = ops, "native"
        self._unroll = native_unroll(ops)
        if type(self.rollout_buffer) in (RolloutBuffer, DictRolloutBuffer):
            try:
                self._act_by = NumpyAct(networks, self.observation_space)
            except NotPlainError as reason:
                log.info("acting is eager: %s", reason)

    def _excluded_save_params(self) -> list[str]:
        """Leave out what the next rollout makes."""
        return [*super()._excluded_save_params(), "_sequence_states"]

    # ---- acting

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
        :param state: that the last call returned, None at first; without memory passed through
        :param episode_start: of each environment, whether an episode begins
        :param deterministic: the policy's mode instead of a sample
        :return: actions in the environment's range, and the state
        """
        self._link_again_if_moved()
        if self._act_by is None:
            return super().predict(observation, state, episode_start, deterministic)
        chosen, state = self._act_by(observation, state, episode_start, deterministic)
        actions = self._for_environment(chosen)
        single = is_single(self.observation_space, observation)
        return (actions.squeeze(axis=0) if single else actions), state

    def _for_environment(self, chosen: np.ndarray) -> np.ndarray:
        """Make of actions (B, A) or (B,), as the head has them, what the environment takes."""
        actions = chosen.reshape(-1, *self.action_space.shape)  # type: ignore[misc]
        return in_range(self.policy, actions)

    # ---- rollouts

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
        if self._act_by is None or n_rollout_steps != rollout_buffer.buffer_size:
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        cut: list[Cut] = []
        state = self._states[0]
        for n_steps in range(n_rollout_steps):
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

    # ---- learning

    def train(self) -> None:
        """Learn from the rollout, ``n_epochs`` times from each transition."""
        self._link_again_if_moved()
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        remaining = self._current_progress_remaining
        clip_range: Any = self.clip_range  # schedules by now
        clip_range_vf: Any = self.clip_range_vf
        settings = PpoSettings(
            clip_range=clip_range(remaining),
            clip_range_vf=None if clip_range_vf is None else clip_range_vf(remaining),
            pessimistic_vf_clip=self.pessimistic_vf_clip,
            ent_coef=self.ent_coef,
            vf_coef=self.vf_coef,
            max_grad_norm=self.max_grad_norm,
            normalize_advantage=self.normalize_advantage,
            target_kl=self.target_kl,
        )
        rollout, learning_rate = self._rollout(), self.lr_schedule(remaining)
        batch_size = self.batch_size // rollout.length
        epochs: list[list[PpoLosses]] = []
        goes_on = True
        while goes_on and len(epochs) < self.n_epochs:
            order = np.random.permutation(rollout.n_sequences)
            losses, goes_on = self._update.epoch(
                rollout, order, batch_size, learning_rate, settings
            )
            epochs.append(losses)
            self._n_updates += 1
        explained = explained_variance(rollout.values.cpu().numpy(), rollout.returns.cpu().numpy())
        self.logger.record("train/explained_variance", explained)
        self._log_training(epochs, settings)

    def _rollout(self) -> Rollout:
        """Take what was collected, one environment after the other, as SB3 does."""
        buffer, flat = self.rollout_buffer, RolloutBuffer.swap_and_flatten
        kept: Any = buffer.observations
        observations: Any
        if isinstance(kept, dict):
            observations = {key: flat(value) for key, value in kept.items()}
        else:
            observations = flat(kept)
        if self._ops is None:
            seen = obs_as_tensor(observations, self.device)
        else:
            seen = th.from_numpy(flat_observations(self.observation_space, observations))
            seen = seen.to(self.policy.value_net.weight.dtype)
        numbers = (buffer.values, buffer.log_probs, buffer.advantages, buffer.returns)
        values, log_prob, advantages, returns = (
            th.as_tensor(flat(each), device=self.device).flatten() for each in numbers
        )
        actions = self._as_actions(flat(buffer.actions))
        return Rollout(seen, actions, values, log_prob, advantages, returns, self._sequences())

    def _sequences(self) -> Sequences | None:
        """Tell how what was collected follows each other."""
        if not self.memory:
            return None
        starts = by_environment(self.rollout_buffer.episode_starts, self.memory.tbptt)
        states = [each.transpose(0, 1).flatten(0, 1) for each in self._sequence_states]
        return Sequences(th.as_tensor(starts).to(states[0]), *states)

    def _as_actions(self, actions: np.ndarray) -> th.Tensor:
        """Make of the buffer's actions (B, A) what the policy's distribution takes."""
        tensor = th.as_tensor(actions, device=self.device)
        if isinstance(self.action_space, spaces.Discrete):
            return tensor.long().flatten()
        if isinstance(self.action_space, spaces.MultiDiscrete):
            return tensor.long()
        return tensor.to(self.policy.value_net.weight.dtype)

    def _log_training(self, epochs: list[list[PpoLosses]], settings: PpoSettings) -> None:
        measured = [losses for epoch in epochs for losses in epoch]
        for name in ("entropy_loss", "policy_gradient_loss", "value_loss", "clip_fraction"):
            self.logger.record(f"train/{name}", np.mean([getattr(one, name) for one in measured]))
        divergences = [one.approx_kl for one in epochs[-1]]  # in SB3's precision
        self.logger.record("train/approx_kl", np.mean(divergences, dtype=np.float32))
        self.logger.record("train/loss", measured[-1].loss)
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", self.policy.log_std.exp().mean().item())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", settings.clip_range)
        if settings.clip_range_vf is not None:
            self.logger.record("train/clip_range_vf", settings.clip_range_vf)


def _store(kept: Any, step: int, observations: Any) -> None:
    if isinstance(kept, dict):
        for key, values in kept.items():
            values[step] = observations[key]
    else:
        kept[step] = observations


def _cut_by_time(step: int, dones: np.ndarray, infos: list[dict[str, Any]]) -> list[Cut]:
    if not dones.any():
        return []
    return [
        (step, index, infos[index]["terminal_observation"])
        for index in np.flatnonzero(dones).tolist()
        if infos[index].get("TimeLimit.truncated", False)
    ]
