"""
The replay store: episodes in flat arrays, each observation stored once.

Row t of an episode holds observation t and, once it was taken, the action from there with its
reward; the next observation is row t + 1. So an episode of T transitions takes T + 1 rows. Rows
are reused in a ring, the oldest first; what is left of a partly overwritten episode stays usable.
All float fields lie side by side in one matrix, so that one ``take`` fetches a batch; it is of
float64 where whole numbers are larger than float32 holds, else of float32.

Sampling lives in ``sampling``: plain functions of a store, rows and a random generator.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import psutil

from baselines_ext.replay.fields import ACTION, REWARD, TERMINATED, Field, by_field
from baselines_ext.replay.packing import packed, unpack

Rows = np.ndarray
"""Row numbers, (B,) int64."""

_NO_EPISODE = -1
_MOST_IN_FLOAT64 = 2**53


class ReplayStore:
    """
    Episodes of one or more environments that are stepped together.

    :param n_rows: capacity; each environment gets an equal share
    :param observation_fields: by name, in the order in which a network reads them
    :param action_field: of one action
    :param n_envs: number of environments
    :param extra_fields: of a transition, beside action, reward and termination
    :raises ValueError: if an environment's share is less than one transition
    :raises MemoryError: if the machine has not enough memory, naming the size
    """

    def __init__(
        self,
        n_rows: int,
        observation_fields: Mapping[str, Field],
        action_field: Field,
        n_envs: int = 1,
        extra_fields: Mapping[str, Field] | None = None,
    ) -> None:
        self.rows_per_env = n_rows // n_envs
        if self.rows_per_env < 2:
            raise ValueError(f"{n_rows} rows for {n_envs} environments hold no transition")
        self.n_envs = n_envs
        self.observation_keys = tuple(observation_fields)
        scalar = Field(())
        self.fields: dict[str, Field] = {
            **observation_fields,
            ACTION: action_field,
            REWARD: scalar,
            TERMINATED: scalar,
            **(extra_fields or {}),
        }
        self._check_memory()
        observed = (self.fields[key] for key in self.observation_keys)
        self.observation_width = sum(field.size for field in observed if field.is_float)
        """Columns of all float observation fields; they come first in the matrix."""
        self.clear()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each field."""
        return {name: field.shape for name, field in self.fields.items()}

    @property
    def bytes_per_row(self) -> int:
        """Memory of one row, bookkeeping included."""
        sizes = [
            field.size * np.dtype(self._dtype if field.is_float else field.dtype).itemsize
            for field in self.fields.values()
        ]
        bookkeeping = 1 + 2 * 4  # whether there is an action; its episode, and half of two ends
        return sum(sizes) + bookkeeping

    @property
    def _dtype(self) -> type[np.floating]:
        """Type of the float matrix."""
        return np.float64 if any(field.is_wide for field in self.fields.values()) else np.float32

    def _check_memory(self) -> None:
        needed = self.bytes_per_row * self.rows_per_env * self.n_envs
        there = psutil.virtual_memory().available
        if needed > there:
            raise MemoryError(
                f"a replay store of {self.rows_per_env * self.n_envs:,} rows of "
                f"{self.bytes_per_row} bytes needs {needed / 2**30:,.1f} GiB, "
                f"this machine has {there / 2**30:,.1f} GiB free"
            )

    def clear(self) -> None:
        """Forget everything."""
        n = self.rows_per_env * self.n_envs
        floats = {name: field for name, field in self.fields.items() if field.is_float}
        ends = np.cumsum([field.size for field in floats.values()])
        self.columns: dict[str, slice] = {
            name: slice(int(end) - field.size, int(end))
            for (name, field), end in zip(floats.items(), ends, strict=True)
        }
        self.matrix = np.zeros((n, int(ends[-1])), self._dtype)
        self.others = {
            name: np.zeros((n, *field.shape), field.dtype)
            for name, field in self.fields.items()
            if not field.is_float
        }
        self.has_action = np.zeros(n, bool)
        self._episode = np.full(n, _NO_EPISODE, np.int32)
        # An episode takes at least two rows, so this many numbers never meet.
        self._n_episode_numbers = self.rows_per_env // 2 + 2
        self._first = np.zeros(self.n_envs * self._n_episode_numbers, np.int32)
        self._last = np.zeros_like(self._first)
        self._head = np.full(self.n_envs, -1, np.int64)
        self.n_used = np.zeros(self.n_envs, np.int64)
        """Rows in use of each environment."""
        self._n_episodes = np.zeros(self.n_envs, np.int64)
        self._in_episode = np.zeros(self.n_envs, bool)
        self.n_transitions = 0
        """Transitions that can be sampled."""
        self.has_overwritten = False
        """Whether an older transition had to go for a newer one."""

    def begin(self, env: int, observation: Mapping[str, Any]) -> None:
        """
        Start an episode.

        :param env: number of the environment
        :param observation: by field name
        """
        number = self._n_episodes[env] % self._n_episode_numbers
        number += env * self._n_episode_numbers
        self._n_episodes[env] += 1
        if self._starts_episode(self._head[env]):
            self._head[env] -= 1  # an episode without transitions is overwritten
        row = self._advance(env)
        self._episode[row] = number
        self._first[number] = self._last[number] = row
        self._write(row, observation)
        self._in_episode[env] = True

    def _starts_episode(self, row: int) -> bool:
        """Tell whether a row is all that there is of an episode."""
        if row < 0:
            return False
        number = self._episode[row]
        return bool(self._first[number] == row and self._last[number] == row)

    def append(
        self,
        env: int,
        transition: Mapping[str, Any],
        next_observation: Mapping[str, Any],
        *,
        over: bool,
    ) -> None:
        """
        Add a transition to the running episode.

        :param env: number of the environment
        :param transition: action, reward, terminated and the extra fields, by name
        :param next_observation: by field name
        :param over: whether the episode ends here, by termination or truncation
        """
        here = self._head[env]
        self._write(here, transition)
        self.has_action[here] = True
        self.n_transitions += 1
        number = self._episode[here]
        row = self._advance(env)
        self._episode[row] = number
        self._last[number] = row
        self._write(row, next_observation)
        self._in_episode[env] = not over

    def append_all(
        self,
        transitions: Mapping[str, np.ndarray],
        next_observations: Mapping[str, np.ndarray],
        over: np.ndarray,
    ) -> None:
        """
        Do for all environments what ``append`` does for one.

        :param transitions: all fields of a transition, by name: (n_envs, ...)
        :param next_observations: by field name, (n_envs, ...)
        :param over: bool, (n_envs,)
        """
        here = self._head.copy()
        self._write_all(here, transitions)
        self.has_action[here] = True
        self.n_transitions += self.n_envs
        numbers = self._episode[here]
        rows = self._advance_all()
        self._episode[rows] = numbers
        self._last[numbers] = rows
        self._write_all(rows, next_observations)
        np.logical_not(over, out=self._in_episode)

    def in_episode(self, env: int) -> bool:
        """
        Tell whether an environment's episode goes on.

        :param env: number of the environment
        """
        return bool(self._in_episode[env])

    def between_episodes(self) -> list[int]:
        """List the environments whose next transition starts an episode."""
        return [env for env, within in enumerate(self._in_episode.tolist()) if not within]

    def end_episode(self, env: int) -> None:
        """Take the running episode for truncated: the next transition starts a new one."""
        self._in_episode[env] = False

    def running_episode(self, env: int) -> Rows:
        """
        List the rows of the running episode, the last one without an action.

        :param env: number of the environment
        :return: (T + 1,); empty if none is running
        """
        if not self._in_episode[env]:
            return np.zeros(0, np.int64)
        number = self._episode[self._head[env]]
        first = int(self._first[number])
        length = (self._head[env] - first) % self.rows_per_env
        return self.after(np.full(length + 1, first), np.arange(length + 1))

    def _advance(self, env: int) -> int:
        """Move to the next row of the ring and forget what it held."""
        start = env * self.rows_per_env
        row = int(start + (self._head[env] - start + 1) % self.rows_per_env)
        if self._head[env] < 0:
            row = start
        number = self._episode[row]
        if number != _NO_EPISODE:
            self._first[number] = start + (row - start + 1) % self.rows_per_env
            if self.has_action[row]:
                self.has_action[row] = False
                self.n_transitions -= 1
                self.has_overwritten = True
        self._head[env] = row
        self.n_used[env] = max(self.n_used[env], row - start + 1)
        return row

    def _advance_all(self) -> Rows:
        """Do for all environments what ``_advance`` does for one: their episodes have begun."""
        places = self._head % self.rows_per_env
        starts = self._head - places
        rows = starts + (places + 1) % self.rows_per_env
        known = rows[self._episode[rows] != _NO_EPISODE]
        if known.size:
            start = known - known % self.rows_per_env
            self._first[self._episode[known]] = start + (known - start + 1) % self.rows_per_env
            n_lost = int(np.count_nonzero(self.has_action[known]))
            self.n_transitions -= n_lost
            self.has_overwritten |= n_lost > 0
            self.has_action[known] = False
        self._head[:] = rows
        np.maximum(self.n_used, rows - starts + 1, out=self.n_used)
        return rows

    def _write(self, row: int, values: Mapping[str, Any]) -> None:
        target = self.matrix[row]
        for name, value in values.items():
            columns = self.columns.get(name)
            if columns is None:
                self.others[name][row] = value
                continue
            field = self.fields[name]
            if field.is_wide:
                _check_exact(name, value)
            target[columns] = value if field.shape == () else np.ravel(value)

    def _write_all(self, rows: Rows, values: Mapping[str, np.ndarray]) -> None:
        """Write fields that lie side by side: all of an observation, or all of a transition."""
        names = [name for name in self.columns if name in values]
        for name in names:
            if self.fields[name].is_wide:
                _check_exact(name, values[name])
        if names:
            block = [values[name].reshape(len(rows), -1) for name in names]
            columns = slice(self.columns[names[0]].start, self.columns[names[-1]].stop)
            self.matrix[rows, columns] = np.concatenate(block, axis=1)
        for name in self.others.keys() & values.keys():
            self.others[name][rows] = values[name].reshape(len(rows), *self.fields[name].shape)

    def holds(self, row: int, observation: Any) -> bool:
        """
        Compare a stored observation.

        :param row: where it is stored
        :param observation: as the environment gives it
        """
        return all(
            np.array_equal(
                self.column(key)[row].ravel(), np.ravel(value).astype(self.column(key).dtype)
            )
            for key, value in by_field(observation).items()
        )

    def after(self, rows: Rows, n_steps: np.ndarray | int) -> Rows:
        """
        Go on from rows within their environments' rings.

        :param rows: (B,)
        :param n_steps: (B,) or one number
        :return: (B,)
        """
        if self.n_envs == 1:
            return (rows + n_steps) % self.rows_per_env
        starts = rows - rows % self.rows_per_env
        return starts + (rows - starts + n_steps) % self.rows_per_env

    def steps_left(self, rows: Rows) -> np.ndarray:
        """
        Count the transitions from rows to the ends of their episodes, as far as they are known.

        :param rows: (B,)
        :return: (B,), at least 1 where the row has an action
        """
        return (self._last[self._episode[rows]] - rows) % self.rows_per_env

    def steps_done(self, rows: Rows) -> np.ndarray:
        """
        Count the transitions from the starts of the rows' episodes, as far as they are kept.

        :param rows: (B,)
        :return: (B,)
        """
        return (rows - self._first[self._episode[rows]]) % self.rows_per_env

    def rows_in_order(self, env: int) -> Rows:
        """
        List the rows of an environment's transitions, the oldest first.

        :param env: number of the environment
        :return: (n,)
        """
        start, used = env * self.rows_per_env, int(self.n_used[env])
        oldest = self._head[env] + 1 - start if used == self.rows_per_env else 0
        rows = start + (oldest + np.arange(used)) % self.rows_per_env
        return rows[self.has_action[rows]]

    def ends_episode(self, rows: Rows) -> np.ndarray:
        """
        Tell which transitions were the last of their episode, by termination or truncation.

        :param rows: any shape, with actions
        :return: bool, of the same shape
        """
        running = self._episode[self._head[self._in_episode]]
        is_last = self.steps_left(rows) == 1
        return is_last & ~np.isin(self._episode[rows], running)

    def column(self, name: str) -> np.ndarray:
        """View one field of all rows: (rows, size) for floats, (rows, *shape) for others."""
        return self.matrix[:, self.columns[name]] if name in self.columns else self.others[name]

    def __getstate__(self) -> dict[str, Any]:
        return packed(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        unpack(self, state)


def _check_exact(name: str, value: Any) -> None:
    if np.abs(np.asarray(value, np.float64)).max() > _MOST_IN_FLOAT64:
        raise ValueError(
            f"{name} holds {value}, and whole numbers beyond 2^53 are not kept exactly"
        )
