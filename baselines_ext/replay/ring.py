"""Which rows of a replay store belong to which episode: a ring of rows per environment."""

import numpy as np

Rows = np.ndarray
"""Row numbers, (B,) int64."""

_NO_EPISODE = -1


class EpisodeRing:
    """
    Rows of episodes, those of each environment in a ring, the oldest overwritten first.

    An episode of T transitions takes T + 1 rows, of which the last has no action. What is left of
    a partly overwritten episode stays usable.

    :param rows_per_env: of each environment, at least 2
    :param n_envs: number of environments
    """

    def __init__(self, rows_per_env: int, n_envs: int) -> None:
        self.rows_per_env = rows_per_env
        self.n_envs = n_envs
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        n = self.rows_per_env * self.n_envs
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

    def _begin(self, env: int) -> int:
        """Start an episode, and return its first row."""
        number = self._n_episodes[env] % self._n_episode_numbers
        number += env * self._n_episode_numbers
        self._n_episodes[env] += 1
        if self._starts_episode(self._head[env]):
            self._head[env] -= 1  # an episode without transitions is overwritten
        row = self._advance(env)
        self._episode[row] = number
        self._first[number] = self._last[number] = row
        self._in_episode[env] = True
        return row

    def _starts_episode(self, row: int) -> bool:
        """Tell whether a row is all that there is of an episode."""
        if row < 0:
            return False
        number = self._episode[row]
        return bool(self._first[number] == row and self._last[number] == row)

    def _step(self, env: int, *, over: bool) -> tuple[int, int]:
        """Go on with an episode; return the row where the action was taken, and the next one."""
        here = self._head[env]
        self.has_action[here] = True
        self.n_transitions += 1
        number = self._episode[here]
        row = self._advance(env)
        self._episode[row] = number
        self._last[number] = row
        self._in_episode[env] = not over
        return here, row

    def _step_all(self, over: np.ndarray, envs: np.ndarray | None = None) -> tuple[Rows, Rows]:
        """Do for several environments what ``_step`` does for one: their episodes have begun."""
        envs = np.arange(self.n_envs) if envs is None else envs
        here = self._head[envs]
        self.has_action[here] = True
        self.n_transitions += len(envs)
        numbers = self._episode[here]
        places = here % self.rows_per_env
        starts = here - places
        rows = starts + (places + 1) % self.rows_per_env
        self._forget(rows)
        self._head[envs] = rows
        self.n_used[envs] = np.maximum(self.n_used[envs], rows - starts + 1)
        self._episode[rows] = numbers
        self._last[numbers] = rows
        self._in_episode[envs] = ~over
        return here, rows

    def _play(self, env: int, n: int) -> Rows:
        """
        Do at once what ``_begin`` and n times ``_step`` do.

        :param env: number of the environment
        :param n: transitions, at least 1
        :return: the episode's rows, as many of its last n + 1 as the ring holds
        """
        first = self._begin(env)
        number, size = self._episode[first], self.rows_per_env
        start = env * size
        places = (first - start + np.arange(n + 1)) % size
        self._forget(start + places[max(1, n + 1 - size) :])
        rows = start + places[max(0, n + 1 - size) :]
        self.has_action[rows] = True
        self.has_action[rows[-1]] = False
        self.n_transitions += len(rows) - 1
        self.has_overwritten |= len(rows) < n + 1
        self.n_used[env] = max(self.n_used[env], places.max() + 1)
        self._head[env] = rows[-1]
        self._episode[rows] = number
        self._first[number], self._last[number] = rows[0], rows[-1]
        self._in_episode[env] = False
        return rows

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

    def _forget(self, rows: Rows) -> None:
        """Forget what rows held; no row twice, in the order in which they are written again."""
        known = rows[self._episode[rows] != _NO_EPISODE]
        if not known.size:
            return
        self._first[self._episode[known]] = self.after(known, 1)
        n_lost = int(np.count_nonzero(self.has_action[known]))
        self.n_transitions -= n_lost
        self.has_overwritten |= n_lost > 0
        self.has_action[known] = False

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
