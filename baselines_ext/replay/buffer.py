"""SB3's replay buffer API over the replay store."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Self

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.preprocessing import get_action_dim, get_obs_shape
from stable_baselines3.common.type_aliases import DictReplayBufferSamples, ReplayBufferSamples
from stable_baselines3.common.utils import get_device
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from baselines_ext.replay.fields import (
    ACTION,
    REWARD,
    TERMINATED,
    WHOLE_OBSERVATION,
    action_field,
    by_field,
    observation_fields,
)
from baselines_ext.replay.reward import as_given, batched, reward_function
from baselines_ext.replay.samplers import Batch, RewardFunction, Sampler, Uniform
from baselines_ext.replay.sb3_arrays import Sb3Arrays
from baselines_ext.replay.store import ReplayStore
from interface.needs import misfit, needs_of


class EpisodeReplayBuffer(Sb3Arrays, ReplayBuffer):  # type: ignore[override]
    """
    Stores each observation once; a sampler says what is learned from them.

    Transitions of running episodes are sampled, too. Files of models that use it load in plain SB3.

    :param buffer_size: rows; an episode of T transitions takes T + 1, so there are always two
    :param observation_space: of the environment
    :param action_space: of the environment
    :param device: where samples go
    :param n_envs: environments stepped together
    :param optimize_memory_usage: accepted for SB3's sake; each observation is stored once anyway
    :param handle_timeout_termination: False: take truncated episodes for terminated ones
    :param sampler: draws what is learned; None: ``Uniform``
    :param gamma: discount factor of the returns, in [0, 1]
    :raises ValueError: for a sampler that needs other observations
    :raises MemoryError: if the machine has not enough memory, naming the size
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        device: th.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        sampler: Sampler | None = None,
        gamma: float = 0.99,
    ) -> None:
        self.buffer_size, self.n_envs = buffer_size, n_envs
        self.observation_space, self.action_space = observation_space, action_space
        self.obs_shape = get_obs_shape(observation_space)  # type: ignore[assignment]
        self.action_dim = get_action_dim(action_space)
        self.device = get_device(device)
        self.optimize_memory_usage = optimize_memory_usage
        self.handle_timeout_termination = handle_timeout_termination
        self.gamma = gamma
        self.sampler = sampler or Uniform()
        lacking = misfit(needs_of(type(self.sampler)), observation_space, action_space)
        if lacking is not None:
            raise ValueError(f"the sampler {type(self.sampler).__name__} needs {lacking}")
        action = action_field(action_space)
        self.store = ReplayStore(
            max(buffer_size, 2 * n_envs),
            observation_fields(observation_space),
            action,
            n_envs,
            self.sampler.extra_fields(action),
        )
        self.rng = np.random.default_rng(0)
        """Source of randomness of ``sample``; the learner replaces it by its own."""
        self._compute_reward: RewardFunction | None = None

    @property
    def relabels(self) -> bool:
        """Whether goals are rewarded that the environment did not ask for."""
        return needs_of(type(self.sampler)).rewards_goals

    def set_env(self, env: VecEnv) -> None:
        """
        Tell where goals are rewarded.

        :param env: training environments; the first one's ``compute_reward`` is called
        """
        if self.relabels:
            self._compute_reward = as_given(reward_function(env), self._space_of_goals)

    def set_reward_function(self, compute_reward: Callable[..., Any]) -> None:
        """
        Reward goals by a function of this process: environments in others may be busy.

        :param compute_reward: achieved goal, desired goal, info
        """
        self._compute_reward = as_given(batched(compute_reward), self._space_of_goals)

    @property
    def _space_of_goals(self) -> spaces.Dict:
        assert isinstance(self.observation_space, spaces.Dict)
        return self.observation_space

    def add(
        self,
        obs: np.ndarray | dict[str, np.ndarray],
        next_obs: np.ndarray | dict[str, np.ndarray],
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: Sequence[Mapping[str, Any]],
    ) -> None:
        """
        Store one transition of each environment.

        :param obs: (n_envs, ...), stored only where an episode starts
        :param next_obs: (n_envs, ...), the last of the episode where it ended
        :param action: (n_envs, ...)
        :param reward: (n_envs,)
        :param done: (n_envs,)
        :param infos: say whether an end was a truncation
        """
        before, after = by_field(obs), by_field(next_obs)
        for env in self.store.between_episodes():
            self.store.begin(env, {key: value[env] for key, value in before.items()})
        if self.n_envs == 1:  # plain numbers are faster than arrays of one
            fell = bool(done[0]) and not self._is_cut_off(infos[0])
            transition = {ACTION: action[0], REWARD: reward[0], TERMINATED: fell}
            following = {key: value[0] for key, value in after.items()}
            self.store.append(0, transition, following, over=bool(done[0]))
            return
        over = np.array(done, bool)
        terminated = over
        if over.any():
            terminated = over & np.array([not self._is_cut_off(info) for info in infos])
        transitions = {ACTION: action, REWARD: reward, TERMINATED: terminated}
        self.store.append_all(transitions, after, over)

    def _is_cut_off(self, info: Mapping[str, Any]) -> bool:
        """Tell whether an episode that is over ended by a limit of time alone."""
        return self.handle_timeout_termination and bool(info.get("TimeLimit.truncated"))

    def sample_batch(self, batch_size: int, env: VecNormalize | None = None) -> Batch:
        """
        Draw transitions by the sampler.

        :param batch_size: how many, with replacement
        :param env: normalises observations and rewards, as they are now
        :raises ValueError: if nothing is stored
        """
        batch = self.sampler.sample(
            self.store, batch_size, self.gamma, self.rng, self._compute_reward
        )
        return batch if env is None else normalized_batch(self.store, batch, env)

    def sample(  # type: ignore[override]
        self, batch_size: int, env: VecNormalize | None = None
    ) -> ReplayBufferSamples | DictReplayBufferSamples:
        """
        Draw transitions as SB3's own learners want them.

        :param batch_size: how many, with replacement
        :param env: normalises observations and rewards
        """
        batch = self.sample_batch(batch_size, env)
        terminated = batch.discounts[:, None] == 0
        is_continuous = isinstance(self.action_space, spaces.Box)
        actions = batch.actions.astype(np.float32 if is_continuous else np.int64)
        content = {
            "actions": self.to_torch(actions),
            "dones": self.to_torch(terminated.astype(np.float32)),
            "rewards": self.to_torch(batch.rewards[:, None].astype(np.float32)),
            "discounts": self.to_torch(np.where(terminated, 1.0, batch.discounts[:, None])).float(),
        }
        here, there = self.observations_of(batch)
        is_dict = isinstance(self.observation_space, spaces.Dict)
        samples: Any = DictReplayBufferSamples if is_dict else ReplayBufferSamples
        return samples(observations=here, next_observations=there, **content)

    def observations_of(self, batch: Batch) -> tuple[Any, Any]:
        """
        Get the observations of a batch as SB3's networks read them, images too.

        :param batch: just drawn
        :return: those of the transitions and the next ones: a tensor, or a dict of them by field
        """
        here = self._by_field(batch.rows, batch.observations)
        there = self._by_field(batch.next_rows, batch.next_observations)
        if isinstance(self.observation_space, spaces.Dict):
            return here, there
        return here[WHOLE_OBSERVATION], there[WHOLE_OBSERVATION]

    def _by_field(self, rows: np.ndarray, floats: np.ndarray) -> dict[str, th.Tensor]:
        parts = {}
        for key in self.store.observation_keys:
            field = self.store.fields[key]
            if field.is_float:
                values = floats[:, self.store.columns[key]].astype(np.float32)
                parts[key] = self.to_torch(values.reshape(-1, *field.shape))
            else:
                parts[key] = self.to_torch(self.store.column(key)[rows])
        return parts

    def size(self) -> int:
        """Count the transitions that can be sampled."""
        return self.store.n_transitions

    def reset(self) -> None:
        """Forget everything."""
        self.store.clear()

    def take_over(self, other: Any) -> None:
        """
        Remember what another buffer remembers, instead of what this one does.

        :param other: of the same observations, actions and environments
        :raises ValueError: if it is not
        """
        if not isinstance(other, EpisodeReplayBuffer):
            raise ValueError(f"it holds a {type(other).__name__}, not a {type(self).__name__}")
        ours, theirs = self.store, other.store
        if (ours.shapes, ours.n_envs) != (theirs.shapes, theirs.n_envs):
            raise ValueError(
                f"it holds {theirs.shapes} of {theirs.n_envs} environments, "
                f"this agent stores {ours.shapes} of {ours.n_envs}"
            )
        self.store = theirs

    def truncate_last_trajectory(self) -> None:
        """Take running episodes for truncated: what is stored next begins new ones."""
        running = [env for env in range(self.n_envs) if self.store.in_episode(env)]
        if running:
            warnings.warn(
                "The last trajectory in the replay buffer will be truncated; "
                "truncate_last_traj=False goes on with it",
                stacklevel=2,
            )
        for env in running:
            self.store.end_episode(env)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the reward function: it belongs to an environment."""
        return self.__dict__ | {"_compute_reward": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy all but the reward function, which both have."""
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        vars(copied).update(deepcopy(self.__getstate__(), memo))
        copied._compute_reward = self._compute_reward
        return copied


def normalized_batch(store: ReplayStore, batch: Batch, env: VecNormalize) -> Batch:
    """
    Normalise a batch with the statistics of now.

    :param store: that the batch comes from
    :param batch: its arrays are changed
    :param env: holds the statistics
    """
    if env.norm_obs:
        for values in (batch.observations, batch.next_observations):
            parts = {
                key: values[:, store.columns[key]].reshape(-1, *store.fields[key].shape)
                for key in store.observation_keys
                if key in store.columns
            }
            whole = parts if isinstance(env.observation_space, spaces.Dict) else parts.popitem()[1]
            for key, part in by_field(env.normalize_obs(whole)).items():
                values[:, store.columns[key]] = part.reshape(len(values), -1)
    return batch._replace(rewards=env.normalize_reward(batch.rewards).astype(np.float32))
