"""PPO (https://arxiv.org/abs/1707.06347) with lean rollouts and updates."""

import logging
from typing import Any, ClassVar, Self

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.type_aliases import MaybeCallback
from stable_baselines3.common.utils import explained_variance, obs_as_tensor

from baselines_ext.learners.schedules import SchedulesLearningRate
from baselines_ext.networks.cells import Unroll, unroll
from baselines_ext.networks.composed import ComposedPolicy
from baselines_ext.networks.numpy_actor import flat_observations, is_single
from baselines_ext.networks.plain import NotPlainError
from baselines_ext.ppo.acting import Act, NumpyAct, torch_act
from baselines_ext.ppo.collecting import CollectsRollouts
from baselines_ext.ppo.compiled_update import CompiledPpoUpdate
from baselines_ext.ppo.losses import PpoLosses, PpoSettings, PpoUpdate
from baselines_ext.ppo.native_update import NativePpoUpdate, PlainActorCritic, native_unroll
from baselines_ext.ppo.running_episodes import RunningEpisodes
from baselines_ext.ppo.sequences import Rollout, Sequences, by_environment
from baselines_ext.updates.native.build import Ops, native_ops
from interface.errors import unknown_name
from interface.needs import needs

log = logging.getLogger(__name__)

UPDATES = ("auto", "eager", "native", "compile")


@needs(action_spaces=(spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))
class PPO(SchedulesLearningRate, CollectsRollouts):
    """
    SB3's PPO: the same results from the same seed to rounding, sooner; and with memory.

    With a ``ComposedPolicy`` that has a memory, ``batch_size`` still counts transitions: a
    minibatch is ``batch_size / tbptt`` sequences.

    :param arguments: of the SB3 class
    :param update: how it acts and makes gradient steps: ``eager``, as SB3 does, bit by bit;
        ``native``, acting in numpy and a whole epoch in one C++ call, for plain multi-layer
        perceptrons on the CPU; ``compile``, a minibatch as one graph, for long runs; ``auto``:
        native where possible
    :param pessimistic_vf_clip: see ``PpoSettings``
    :param keywords: of the SB3 class
    :raises ValueError: for another ``update``, or lengths that do not divide each other
    """

    made_from_modules = ("_update", "_ops", "_act_by", "_unroll", "_watch", "update_used")

    update_class: ClassVar[type[PpoUpdate]] = PpoUpdate
    """Its losses; a subclass with other ones is never replaced by the native epoch."""

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
        super().__init__(*arguments, **keywords)

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.memory:
            self._check_lengths(self.memory.tbptt)
        self.link()

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
        if self.update_mode == "compile":
            self._update, self.update_used = CompiledPpoUpdate(self._update), "compile"
        if self.update_mode == "eager" or self.device.type != "cpu":
            return
        try:
            networks = PlainActorCritic(self.policy)
        except NotPlainError as reason:
            log.info("acting and updates are eager: %s", reason)
            return
        makers = {"acting is": self._act_in_numpy}
        if self.update_mode != "compile":
            makers["updates are"] = self._update_natively
        for what, make in makers.items():
            try:
                make(networks)
            except NotPlainError as reason:
                log.info("%s eager: %s", what, reason)

    def _act_in_numpy(self, networks: PlainActorCritic) -> None:
        if type(self.rollout_buffer) in (RolloutBuffer, DictRolloutBuffer):
            self._act_by = NumpyAct(networks, self.observation_space)

    def _update_natively(self, networks: PlainActorCritic) -> None:
        if self.update_class is not PpoUpdate:
            raise NotPlainError(f"its losses are those of {self.update_class.__name__}")
        ops = native_ops()
        if ops is None:
            return
        self._update = NativePpoUpdate(self.policy, networks, ops)
        self._ops, self.update_used = ops, "native"
        self._unroll = native_unroll(ops)

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

    # ---- learning

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 1,
        tb_log_name: str = "PPO",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """
        Train as SB3 does; where training goes on, the count of rollouts goes on, too.

        :param total_timesteps: environment steps
        :param callback: called at each step
        :param log_interval: rollouts between two log lines
        :param tb_log_name: of TensorBoard's run
        :param reset_num_timesteps: begin anew
        :param progress_bar: show one
        """
        begins_anew = reset_num_timesteps or self._last_obs is None
        total, called = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        if begins_anew:
            self._running = RunningEpisodes.before_any(self.n_envs)
        called.on_training_start(locals(), globals())
        assert self.env is not None
        while self.num_timesteps < total:
            if not self.collect_rollouts(self.env, called, self.rollout_buffer, self.n_steps):
                break
            self._update_current_progress_remaining(self.num_timesteps, total)
            n_rollouts = self.num_timesteps // (self.n_steps * self.n_envs)
            if log_interval is not None and n_rollouts % log_interval == 0:
                self.dump_logs(n_rollouts)
            self.train()
        called.on_training_end()
        return self

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
