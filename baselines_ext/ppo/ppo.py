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
from baselines_ext.networks.numpy_actor import flat_observations, is_single
from baselines_ext.networks.plain import NotPlainError
from baselines_ext.ppo.acting import NumpyPolicy
from baselines_ext.ppo.losses import PpoLosses, PpoSettings, PpoUpdate, Rollout
from baselines_ext.ppo.native_update import NativePpoUpdate, PlainActorCritic
from baselines_ext.updates.native.build import Ops, native_ops
from interface.errors import unknown_name
from interface.needs import needs

log = logging.getLogger(__name__)

UPDATES = ("auto", "eager", "native")

Cut = tuple[int, int, Any]
"""Where a time limit ended an episode: step, environment, and what was observed there."""


@needs(action_spaces=(spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))
class PPO(Linked, SchedulesLearningRate, sb3.PPO):
    """
    SB3's PPO: the same results from the same seed to rounding, sooner.

    :param arguments: of the SB3 class
    :param update: how it acts and makes gradient steps: ``eager``, as SB3 does, bit by bit;
        ``native``, acting in numpy and a whole epoch in one C++ call, for plain multi-layer
        perceptrons on the CPU; ``auto``: native where possible
    :param keywords: of the SB3 class
    :raises ValueError: for another ``update``
    """

    made_from_modules = ("_update", "_ops", "_numpy_policy", "_watch", "update_used")

    update_class: ClassVar[type[PpoUpdate]] = PpoUpdate
    """Its losses; a subclass with other ones is never replaced by the native epoch."""

    policy: ActorCriticPolicy

    def __init__(self, *arguments: Any, update: str = "auto", **keywords: Any) -> None:
        if update not in UPDATES:
            raise unknown_name("update", update, UPDATES)
        self.update_mode = update
        super().__init__(*arguments, **keywords)

    def _setup_model(self) -> None:
        super()._setup_model()
        self.link()

    def link(self) -> None:
        """Make the update from SB3's policy: native if it is plain enough and that is wanted."""
        self._watch = self._watch_parameters()
        self._update = self.update_class(self.policy)
        self._ops: Ops | None = None
        self._numpy_policy: NumpyPolicy | None = None
        self.update_used = "eager"
        if self.update_mode == "eager" or self.device.type != "cpu":
            return
        try:
            if self.update_class is not PpoUpdate:
                raise NotPlainError(f"its losses are those of {self.update_class.__name__}")
            networks = PlainActorCritic(self.policy)
            ops = native_ops()
            if ops is None:
                return
            self._update = NativePpoUpdate(self.policy, networks, ops)
        except NotPlainError as reason:
            log.info("updates are eager: %s", reason)
            return
        self._ops, self.update_used = ops, "native"
        if type(self.rollout_buffer) in (RolloutBuffer, DictRolloutBuffer):
            self._numpy_policy = NumpyPolicy.of(networks, self.policy.activation_fn)

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
        :param state: passed through
        :param episode_start: not used
        :param deterministic: the policy's mode instead of a sample
        :return: actions in the environment's range, and the state
        """
        self._link_again_if_moved()
        if self._numpy_policy is None:
            return super().predict(observation, state, episode_start, deterministic)
        _, actions = self._act(self._numpy_policy, observation, deterministic=deterministic)
        single = is_single(self.observation_space, observation)
        return (actions.squeeze(axis=0) if single else actions), state

    def _act(
        self, policy: NumpyPolicy, observations: Any, *, deterministic: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose actions; return them as they were chosen, and as the environment takes them."""
        flat = flat_observations(self.observation_space, observations)
        chosen = policy(flat, deterministic=deterministic)
        if not isinstance(self.action_space, spaces.Box):
            return chosen, chosen
        actions = chosen.reshape(-1, *self.action_space.shape)
        if self.policy.squash_output:
            return chosen, self.policy.unscale_action(actions)
        return chosen, np.clip(actions, self.action_space.low, self.action_space.high)

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
        if self._numpy_policy is None or n_rollout_steps != rollout_buffer.buffer_size:
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        cut: list[Cut] = []
        for n_steps in range(n_rollout_steps):
            chosen, actions = self._act(self._numpy_policy, self._last_obs, deterministic=False)
            _store(rollout_buffer.observations, n_steps, self._last_obs)
            new_obs, rewards, dones, infos = env.step(actions)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            self._update_info_buffer(infos, dones)
            cut += _cut_by_time(n_steps, dones, infos)
            rollout_buffer.actions[n_steps] = chosen.reshape(env.num_envs, -1)
            rollout_buffer.rewards[n_steps] = rewards
            rollout_buffer.episode_starts[n_steps] = self._last_episode_starts
            self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
        self._value(rollout_buffer, cut)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _value(self, buffer: RolloutBuffer, cut: list[Cut]) -> None:
        """Compute values, log-probabilities, advantages and returns of a whole rollout."""
        assert self._ops is not None
        assert self._last_obs is not None
        shape = buffer.rewards.shape
        with th.no_grad():
            seen = _flattened(buffer.observations)
            actions = self._as_actions(buffer.actions.reshape(-1, buffer.actions.shape[-1]))
            values, log_prob, _ = self.policy.evaluate_actions(
                obs_as_tensor(seen, self.device), actions
            )
            last = self.policy.predict_values(obs_as_tensor(self._last_obs, self.device))
            for step, index, observation in cut:
                tensor, _ = self.policy.obs_to_tensor(observation)
                buffer.rewards[step, index] += self.gamma * self.policy.predict_values(tensor)[0]
        buffer.values[:] = values.numpy().reshape(shape)
        buffer.log_probs[:] = log_prob.numpy().reshape(shape)
        assert self._last_episode_starts is not None
        ends = np.vstack([buffer.episode_starts[1:], self._last_episode_starts])
        tensors = (buffer.rewards, buffer.values, ends.astype(np.float32))
        advantages = self._ops.gae(
            *map(th.from_numpy, tensors), last.flatten(), self.gamma, self.gae_lambda
        )
        buffer.advantages[:] = advantages.numpy()
        buffer.returns = buffer.advantages + buffer.values
        buffer.pos, buffer.full = buffer.buffer_size, True

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
            ent_coef=self.ent_coef,
            vf_coef=self.vf_coef,
            max_grad_norm=self.max_grad_norm,
            normalize_advantage=self.normalize_advantage,
            target_kl=self.target_kl,
        )
        rollout, learning_rate = self._rollout(), self.lr_schedule(remaining)
        epochs: list[list[PpoLosses]] = []
        goes_on = True
        while goes_on and len(epochs) < self.n_epochs:
            order = np.random.permutation(len(rollout.returns))
            losses, goes_on = self._update.epoch(
                rollout, order, self.batch_size, learning_rate, settings
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
        numbers = (buffer.values, buffer.log_probs, buffer.advantages, buffer.returns)
        if self._ops is None:
            seen = obs_as_tensor(observations, self.device)
        else:
            seen = th.from_numpy(flat_observations(self.observation_space, observations))
            seen = seen.to(self.policy.value_net.weight.dtype)
        return Rollout(
            seen,
            self._as_actions(flat(buffer.actions)),
            *(th.as_tensor(flat(each), device=self.device).flatten() for each in numbers),
        )

    def _as_actions(self, actions: np.ndarray) -> th.Tensor:
        """Make of the buffer's actions (B, A) what the policy's distribution takes."""
        tensor = th.as_tensor(actions, device=self.device)
        if isinstance(self.action_space, spaces.Discrete):
            return tensor.long().flatten()
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
    return [
        (step, index, infos[index]["terminal_observation"])
        for index in np.flatnonzero(dones).tolist()
        if infos[index].get("TimeLimit.truncated", False)
    ]


def _flattened(kept: Any) -> Any:
    """Put the environments of each step one after the other: (T, N, ...) becomes (T N, ...)."""
    if isinstance(kept, dict):
        return {key: value.reshape(-1, *value.shape[2:]) for key, value in kept.items()}
    return kept.reshape(-1, *kept.shape[2:])
