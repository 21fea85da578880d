"""SB3's arrays of a replay buffer, made from the replay store: who looks into one finds them."""

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_action_dim, get_obs_shape

from baselines_ext.replay.fields import ACTION, REWARD, TERMINATED, WHOLE_OBSERVATION
from baselines_ext.replay.ring import Rows
from baselines_ext.replay.store import ReplayStore


class Sb3Arrays:
    """
    Attributes of SB3's ``ReplayBuffer``: copies, (n, n_envs, ...), the oldest transition first.

    :param store: that holds the transitions
    :param observation_space: of the environment
    :param action_space: of the environment
    """

    store: ReplayStore
    observation_space: spaces.Space
    action_space: spaces.Space

    @property
    def full(self) -> bool:
        """Whether old transitions have been overwritten."""
        return self.store.has_overwritten

    @property
    def pos(self) -> int:
        """Behind the newest transition, which is always the last one here."""
        return len(self._rows())

    @property
    def observations(self) -> Any:
        """Observations from which actions were taken, (n, n_envs, *shape), or a dict of them."""
        return self._observations_at(self._rows())

    @property
    def next_observations(self) -> Any:
        """Observations that came next, (n, n_envs, *shape), or a dict of them."""
        return self._observations_at(self.store.after(self._rows(), 1))

    @property
    def actions(self) -> np.ndarray:
        """(n, n_envs, A); continuous ones in [-1, 1]."""
        dtype = np.float32 if isinstance(self.action_space, spaces.Box) else np.int64
        shape = (get_action_dim(self.action_space),)
        return self._taken(ACTION, self._rows(), shape, dtype)

    @property
    def rewards(self) -> np.ndarray:
        """(n, n_envs), as the environment paid them."""
        return self._taken(REWARD, self._rows(), (), np.float32)

    @property
    def dones(self) -> np.ndarray:
        """(n, n_envs), 1 where an episode ended."""
        return self.store.ends_episode(self._rows()).astype(np.float32)

    @property
    def timeouts(self) -> np.ndarray:
        """(n, n_envs), 1 where an episode was truncated."""
        return self.dones * (1 - self._taken(TERMINATED, self._rows(), (), np.float32))

    def _rows(self) -> Rows:
        """List the rows of transitions, (n, n_envs); n is that of the environment with fewest."""
        rows = [self.store.rows_in_order(env) for env in range(self.store.n_envs)]
        n = min(map(len, rows))
        return np.stack([each[len(each) - n :] for each in rows], axis=1)

    def _observations_at(self, rows: Rows) -> Any:
        def of(key: str, space: spaces.Space) -> np.ndarray:
            return self._taken(key, rows, get_obs_shape(space), space.dtype)

        if isinstance(self.observation_space, spaces.Dict):
            return {key: of(key, space) for key, space in self.observation_space.spaces.items()}
        return of(WHOLE_OBSERVATION, self.observation_space)

    def _taken(self, name: str, rows: Rows, shape: Any, dtype: Any) -> np.ndarray:
        return self.store.column(name)[rows].reshape(*rows.shape, *shape).astype(dtype)
