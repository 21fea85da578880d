"""
The replay store: episodes in flat arrays, each observation stored once.

Row t of an episode holds observation t and, once it was taken, the action from there with its
reward; the next observation is row t + 1. So an episode of T transitions takes T + 1 rows. Rows
are reused in a ring, the oldest first; what is left of a partly overwritten episode stays usable.
All float fields lie side by side in one matrix, so that one ``take`` fetches a batch; it is of
float64 where whole numbers are larger than float32 holds, else of float32.

``ring`` knows which row is whose, ``samplers`` what is learned from them.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import psutil

from baselines_ext.replay.fields import ACTION, REWARD, TERMINATED, Field, by_field
from baselines_ext.replay.packing import packed, unpack
from baselines_ext.replay.ring import EpisodeRing, Rows

_MOST_IN_FLOAT64 = 2**53


class ReplayStore(EpisodeRing):
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
        rows_per_env = n_rows // n_envs
        if rows_per_env < 2:
            raise ValueError(f"{n_rows} rows for {n_envs} environments hold no transition")
        self.observation_keys = tuple(observation_fields)
        scalar = Field(())
        self.fields: dict[str, Field] = {
            **observation_fields,
            ACTION: action_field,
            REWARD: scalar,
            TERMINATED: scalar,
            **(extra_fields or {}),
        }
        self._check_memory(rows_per_env * n_envs)
        observed = (self.fields[key] for key in self.observation_keys)
        self.observation_width = sum(field.size for field in observed if field.is_float)
        """Columns of all float observation fields; they come first in the matrix."""
        super().__init__(rows_per_env, n_envs)

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

    def _check_memory(self, n_rows: int) -> None:
        needed = self.bytes_per_row * n_rows
        there = psutil.virtual_memory().available
        if needed > there:
            raise MemoryError(
                f"a replay store of {n_rows:,} rows of "
                f"{self.bytes_per_row} bytes needs {needed / 2**30:,.1f} GiB, "
                f"this machine has {there / 2**30:,.1f} GiB free"
            )

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
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

    def begin(self, env: int, observation: Mapping[str, Any]) -> None:
        """
        Start an episode.

        :param env: number of the environment
        :param observation: by field name
        """
        self._write(self._begin(env), observation)

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
        here, row = self._step(env, over=over)
        self._write(here, transition)
        self._write(row, next_observation)

    def append_all(
        self,
        transitions: Mapping[str, np.ndarray],
        next_observations: Mapping[str, np.ndarray],
        over: np.ndarray,
        envs: np.ndarray | None = None,
    ) -> None:
        """
        Do for several environments what ``append`` does for one.

        :param transitions: all fields of a transition, by name: (B, ...)
        :param next_observations: by field name, (B, ...)
        :param over: bool, (B,)
        :param envs: (B,) their numbers, none twice; None: all of them
        """
        here, rows = self._step_all(over, envs)
        self._write_all(here, transitions)
        self._write_all(rows, next_observations)

    def extend(self, episodes: Iterable[Mapping[str, np.ndarray]]) -> None:
        """
        Add whole episodes, to the environments in turn.

        :param episodes: each by field name: the observation fields (T + 1, ...), and those of a
            transition (T, ...), T at least 1
        :raises ValueError: for other fields or lengths, or while an episode is running
        """
        if self._in_episode.any():
            raise ValueError("an episode is running, so no others can be added")
        envs = itertools.cycle(np.argsort(self.n_used, kind="stable").tolist())
        for env, episode in zip(envs, episodes, strict=False):
            self._check_complete(episode)
            rows = self._play(env, len(episode[REWARD]))
            last = {name: values[-len(rows) :] for name, values in episode.items()}
            observations = {key: last.pop(key) for key in self.observation_keys}
            transitions = {name: values[-len(rows) + 1 :] for name, values in last.items()}
            self._write_all(rows, observations)
            self._write_all(rows[:-1], transitions)

    def _check_complete(self, episode: Mapping[str, np.ndarray]) -> None:
        if episode.keys() != self.fields.keys():
            raise ValueError(f"an episode must hold {sorted(self.fields)}, got {sorted(episode)}")
        n = len(episode[REWARD])
        if n == 0:
            raise ValueError("an episode must hold at least one transition")
        for name, values in episode.items():
            expected = (n + (name in self.observation_keys), *self.fields[name].shape)
            if np.shape(values) != expected:
                raise ValueError(
                    f"{name} of an episode of {n} transitions must have shape {expected}, "
                    f"got {np.shape(values)}"
                )

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
