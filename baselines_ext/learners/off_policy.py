"""What our off-policy learners share: the replay store, lean rollouts, overlap, randomness."""

import io
import logging
import pathlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import MaybeCallback, RolloutReturn, TrainFreq
from stable_baselines3.common.utils import should_collect_more_steps
from stable_baselines3.common.vec_env import VecEnv

from baselines_ext.learners.schedules import SchedulesLearningRate
from baselines_ext.replay.buffer import EpisodeReplayBuffer
from baselines_ext.replay.fields import ACTION
from baselines_ext.replay.ring import Rows
from baselines_ext.replay.samplers import Sampler, Uniform
from baselines_ext.rollout.collector import Collector, with_terminal_observations
from baselines_ext.rollout.noise import resolve_noise
from baselines_ext.rollout.resume import replay_episodes

log = logging.getLogger(__name__)


class LeanOffPolicy(SchedulesLearningRate, Collector, OffPolicyAlgorithm):
    """
    Collects experience with little overhead, into a replay store.

    :param arguments: of the SB3 class
    :param overlap: make gradient steps while the environment computes, see ``Collector``
    :param sampler: draws what is learned; None: ``Uniform(n_steps)``
    :param keywords: of the SB3 class
    :raises ValueError: for a sampler beside ``n_steps``, or one that the observations do not fit
    """

    rng: np.random.Generator
    replay_buffer: EpisodeReplayBuffer
    _steps_in_flight: tuple[int, int] | None = None

    def __init__(
        self,
        *arguments: Any,
        overlap: bool = False,
        sampler: Sampler | None = None,
        **keywords: Any,
    ) -> None:
        self.overlap = overlap
        self.sampler = sampler
        super().__init__(*arguments, **keywords)

    def _setup_model(self) -> None:
        if isinstance(self.train_freq, list):
            self.train_freq = tuple(self.train_freq)
        if isinstance(self.action_space, spaces.Box):
            self.action_noise = resolve_noise(self.action_noise, int(self.action_space.shape[0]))
        if self.replay_buffer_class is None:
            self.replay_buffer_class = EpisodeReplayBuffer
        given = self.replay_buffer_kwargs
        with warnings.catch_warnings():
            if issubclass(self.replay_buffer_class, EpisodeReplayBuffer):
                sampling = {"sampler": self._own_sampler(), "gamma": self.gamma}
                self.replay_buffer_kwargs = {**sampling, **given}
                # SB3 takes n_steps for ignored by any buffer but its own
                warnings.filterwarnings("ignore", "`n_steps=.*` is ignored")
            super()._setup_model()
        self.replay_buffer_kwargs = given
        self._connect_replay_buffer()

    def _own_sampler(self) -> Sampler:
        if self.sampler is None:
            return Uniform(self.n_steps)
        if self.n_steps != 1:
            name = type(self.sampler).__name__
            raise ValueError(f"n_steps must be 1 with the sampler {name}, got {self.n_steps}")
        return self.sampler

    def set_env(self, *arguments: Any, **keywords: Any) -> None:
        """Change the environments as SB3 does; the new ones reward goals."""
        super().set_env(*arguments, **keywords)
        self._connect_replay_buffer()

    def _connect_replay_buffer(self) -> None:
        """Let our buffer draw from our generator, and know where goals are rewarded."""
        if isinstance(self.replay_buffer, EpisodeReplayBuffer):
            self.replay_buffer.rng, self.replay_buffer.device = self.rng, self.device
            if self.env is not None:
                self.replay_buffer.set_env(self.env)

    def set_reward_function(self, compute_reward: Callable[..., Any]) -> None:
        """
        Reward hindsight goals by a function of this process.

        :param compute_reward: achieved goal, desired goal, info
        """
        self.replay_buffer.set_reward_function(compute_reward)

    def set_random_seed(self, seed: int | None = None) -> None:
        """
        Seed all generators, our own included.

        :param seed: None for a random one
        """
        super().set_random_seed(seed)
        self.rng = np.random.default_rng(seed)

    def load_replay_buffer(
        self, path: str | pathlib.Path | io.BufferedIOBase, truncate_last_traj: bool = True
    ) -> None:
        """
        Load what a replay buffer remembers; how it samples stays as this agent was told.

        :param path: of the pickle file
        :param truncate_last_traj: take running episodes for truncated; see ``resume_episodes``
        """
        own = vars(self).get("replay_buffer")
        super().load_replay_buffer(path, truncate_last_traj)
        if isinstance(own, EpisodeReplayBuffer):
            loaded, self.replay_buffer = self.replay_buffer, own
            own.take_over(loaded)
            own.device = self.device
        else:
            self._connect_replay_buffer()
        if not truncate_last_traj or not isinstance(self.replay_buffer, EpisodeReplayBuffer):
            return
        if self.replay_buffer.relabels:
            self.replay_buffer.truncate_last_trajectory()
        self._last_obs = None  # environments begin anew, which ends the episodes that ran

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        *arguments: Any,
        **keywords: Any,
    ) -> tuple[int, BaseCallback]:
        """Set up as SB3 does; where it resets the environments, their episodes end."""
        starts_anew = reset_num_timesteps or self._last_obs is None
        if starts_anew and isinstance(self.replay_buffer, EpisodeReplayBuffer):
            for env in range(self.n_envs):
                self.replay_buffer.store.end_episode(env)
        return super()._setup_learn(
            total_timesteps, callback, reset_num_timesteps, *arguments, **keywords
        )

    def learn(self, *arguments: Any, **keywords: Any) -> Self:
        """Train as SB3 does; no gradient steps are left when it ends."""
        super().learn(*arguments, **keywords)
        self._update_in_flight()  # a checkpoint made before goes on with them
        return self

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """
        Make gradient steps, now or while the next environment step runs.

        :param gradient_steps: how many
        :param batch_size: transitions in each
        """
        if self.overlap:
            self._steps_in_flight = (gradient_steps, batch_size)
        else:
            self.update(gradient_steps, batch_size)

    def update(self, gradient_steps: int, batch_size: int) -> None:
        """
        Make gradient steps.

        :param gradient_steps: how many
        :param batch_size: transitions in each
        """
        super().train(gradient_steps, batch_size)

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        train_freq: TrainFreq,
        *_: Any,
        log_interval: int | None = None,
        **__: Any,
    ) -> RolloutReturn:
        """
        Collect experience as SB3 does, with less around each environment step.

        What else SB3 passes is the agent's own.

        :param env: training environments
        :param callback: called at each step
        :param train_freq: how much to collect
        :param log_interval: episodes between two log lines
        """
        first_episode, n_steps = self._episode_num, 0
        if self.policy.training:  # asked first: setting it walks through all modules
            self.policy.set_training_mode(False)
        callback.on_rollout_start()  # first: what it saves goes on with the noise that comes
        if self.use_sde:
            self.actor.reset_noise(env.num_envs)  # type: ignore[operator]
        go_on = True
        while go_on and should_collect_more_steps(
            train_freq, n_steps, self._episode_num - first_episode
        ):
            if self.use_sde and self.sde_sample_freq > 0 and n_steps % self.sde_sample_freq == 0:
                self.actor.reset_noise(env.num_envs)  # type: ignore[operator]
            go_on = self._step_environments(callback, log_interval)
            n_steps += 1
        if go_on:
            callback.on_rollout_end()
        n_episodes = self._episode_num - first_episode
        return RolloutReturn(n_steps * env.num_envs, n_episodes, continue_training=go_on)

    def _act(self) -> tuple[np.ndarray, np.ndarray]:
        return self._sample_action(self.learning_starts, self.action_noise, self.n_envs)

    def _remember(
        self,
        chosen: np.ndarray,
        new_obs: Any,
        rewards: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        self._store_transition(self.replay_buffer, chosen, new_obs, rewards, dones, infos)

    def _after_step(self) -> None:
        self._on_step()

    def _begin_episodes(self, envs: np.ndarray) -> None:
        if self.action_noise is None:
            return
        if self.n_envs == 1:
            self.action_noise.reset()
        else:
            self.action_noise.reset(indices=envs)  # type: ignore[call-arg]

    def _update_in_flight(self) -> None:
        if self._steps_in_flight is not None:
            gradient_steps, batch_size = self._steps_in_flight
            self._steps_in_flight = None
            self.update(gradient_steps, batch_size)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose actions for the environments, and as they are stored, in [-1, 1]."""
        if not isinstance(self.action_space, spaces.Box):
            return super()._sample_action(learning_starts, action_noise, n_envs)
        if self.num_timesteps < learning_starts and not (self.use_sde and self.use_sde_at_warmup):
            scaled = self.rng.uniform(-1, 1, (n_envs, *self.action_space.shape)).astype(np.float32)
        else:
            scaled = self._explore()
        if action_noise is not None:
            scaled = np.clip(scaled + action_noise(), -1, 1).astype(np.float32)
        return self._unscale(scaled), scaled

    def _explore(self) -> np.ndarray:
        """Choose actions in [-1, 1] for the last observations, exploring as the policy does."""
        actions, _ = self.predict(self._last_obs, deterministic=False)  # type: ignore[arg-type]
        return self.policy.scale_action(actions)

    def _unscale(self, scaled: np.ndarray) -> np.ndarray:
        assert isinstance(self.action_space, spaces.Box)
        low, high = self.action_space.low, self.action_space.high
        return low + (0.5 * (scaled + 1.0)) * (high - low)

    def _store_transition(
        self,
        replay_buffer: Any,
        buffer_action: np.ndarray,
        new_obs: Any,
        reward: np.ndarray,
        dones: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """Store transitions as the environments gave them, before any normalisation."""
        if not isinstance(replay_buffer, EpisodeReplayBuffer):
            super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)
            return
        normalizer = self._vec_normalize_env
        before: Any = self._last_obs if normalizer is None else self._last_original_obs
        after: Any = new_obs
        if normalizer is not None:
            after, reward = normalizer.get_original_obs(), normalizer.get_original_reward()
            self._last_original_obs = after
        unnormalize = None if normalizer is None else normalizer.unnormalize_obs
        last_of_episode = with_terminal_observations(after, dones, infos, unnormalize)
        replay_buffer.add(before, last_of_episode, buffer_action, reward, dones, infos)
        self._last_obs = new_obs

    def resume_episodes(self) -> bool:
        """
        Play the running episodes again, up to where the replay store knows them.

        The environments must be about to start the very episodes that were running.

        :return: whether all of them came back to the stored observations; one that did not is
            taken for truncated, and a new episode starts
        """
        assert self.env is not None
        store = self.replay_buffer.store
        rows = [store.running_episode(index) for index in range(self.n_envs)]

        def came_back(index: int, observation: Any) -> bool:
            return not rows[index].size or store.holds(rows[index][-1], observation)

        stacked, lost = replay_episodes(self.env, list(map(self._actions_at, rows)), came_back)
        for index in lost:
            store.end_episode(index)
        self._last_original_obs = stacked
        normalizer = self._vec_normalize_env
        self._last_obs = stacked if normalizer is None else normalizer.normalize_obs(stacked)
        return not lost

    def _actions_at(self, rows: Rows) -> Iterator[np.ndarray]:
        """Read the actions of an episode that is running, in the environment's range."""
        for row in rows[:-1]:
            action = self.replay_buffer.store.column(ACTION)[row]
            action = action.reshape(self.action_space.shape or ())
            is_box = isinstance(self.action_space, spaces.Box)
            yield self._unscale(action) if is_box else action

    def _excluded_save_params(self) -> list[str]:
        """Leave out what a checkpoint saves elsewhere, or what is made anew."""
        return [*super()._excluded_save_params(), "rng", "overlap"]
