"""
What is learned from a replay store: samplers, which draw batches, and what they are made of.

A sampler is a ``_target_`` of a learner's ``sampler`` node. All is a function of a store and a
random generator; the arrays of a ``Batch`` are the caller's own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from baselines_ext.replay.fields import ACTION, REWARD, TERMINATED, Field
from baselines_ext.replay.ring import Rows
from baselines_ext.replay.store import ReplayStore
from interface.ranges import Count

RewardFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From achieved goals (N, G) and desired goals (N, G) to rewards (N,)."""


class Batch(NamedTuple):
    """
    Transitions, B of them.

    :param rows: (B,) where they came from
    :param observations: (B, W), all float observation fields side by side
    :param actions: (B, A)
    :param rewards: (B,), of n steps together where n-step returns are sampled
    :param next_observations: (B, W)
    :param discounts: (B,), factor of the next state's value: 0 after a termination
    :param next_rows: (B,) where ``next_observations`` came from
    """

    rows: Rows
    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    next_observations: np.ndarray
    discounts: np.ndarray
    next_rows: Rows


class Sampler(ABC):
    """Draws what a learner learns from; ``@needs`` says what it needs from the environment."""

    def extra_fields(self, action: Field) -> Mapping[str, Field]:  # noqa: ARG002
        """
        Name what a transition must hold beside action, reward and termination.

        :param action: the field of actions
        :return: by name; whoever stores transitions fills them
        """
        return {}

    @abstractmethod
    def sample(
        self,
        store: ReplayStore,
        batch_size: int,
        gamma: float,
        rng: np.random.Generator,
        compute_reward: RewardFunction | None,
    ) -> Batch:
        """
        Draw transitions, with replacement.

        :param store: to draw from
        :param batch_size: how many, B
        :param gamma: discount factor, in [0, 1]
        :param rng: only source of randomness
        :param compute_reward: of the environment, for samplers that need ``rewards_goals``
        :raises ValueError: if nothing is stored
        """


class Uniform(Sampler):
    """
    All transitions alike, with returns over some steps.

    :param n_steps: of the returns, at least 1
    """

    def __init__(self, n_steps: Count = 1) -> None:
        self.n_steps = n_steps

    def sample(
        self,
        store: ReplayStore,
        batch_size: int,
        gamma: float,
        rng: np.random.Generator,
        compute_reward: RewardFunction | None = None,  # noqa: ARG002
    ) -> Batch:
        """Draw transitions; see ``Sampler``."""
        rows = draw_rows(store, batch_size, rng)
        return n_step_transitions(store, rows, gamma, self.n_steps)


def refuse_another_sampler(algorithm: str, make: Callable[..., Any]) -> None:
    """
    Refuse a sampler that an algorithm with one of its own would silently replace.

    :param algorithm: that brings its own
    :param make: constructor of its learner, as the config gives it
    :raises ValueError: if there is another
    """
    other = getattr(make, "keywords", {}).get("sampler")
    if other is not None:
        raise ValueError(f"{algorithm} brings its own sampler, got {type(other).__name__} as well")


def observations_of(store: ReplayStore) -> np.ndarray:
    """
    Copy all observations from which an action was taken.

    :param store: to read
    :return: (rows, W)
    """
    return store.matrix[store.has_action, : store.observation_width]


def draw_rows(store: ReplayStore, n: int, rng: np.random.Generator) -> Rows:
    """
    Draw transitions uniformly, with replacement; those of running episodes too.

    :param store: to draw from
    :param n: how many
    :param rng: only source of randomness
    :return: (n,) rows that have an action
    :raises ValueError: if nothing is stored
    """
    if store.n_transitions == 0:
        raise ValueError("cannot sample from an empty replay store")
    rows = _draw_usable(store, n + n // 16, rng)  # mostly enough: few rows have no action
    while rows.size < n:
        rows = np.concatenate((rows, _draw_usable(store, n, rng)))
    return rows[:n]


def _draw_usable(store: ReplayStore, n: int, rng: np.random.Generator) -> Rows:
    """Draw n rows and keep those with an action."""
    n_used = int(store.n_used.max())
    drawn = rng.integers(0, n_used * store.n_envs, n)
    if store.n_envs > 1:
        drawn = drawn // n_used * store.rows_per_env + drawn % n_used
    return drawn[store.has_action[drawn]]


def transitions(store: ReplayStore, rows: Rows, gamma: float) -> Batch:
    """
    Fetch transitions as they were stored.

    :param store: to read
    :param rows: (B,) with actions
    :param gamma: discount factor, in [0, 1]
    """
    return _fetch(store, rows, store.after(rows, 1), gamma)


def _fetch(store: ReplayStore, rows: Rows, next_rows: Rows, gamma: float) -> Batch:
    n, width = len(rows), store.observation_width
    taken = store.matrix.take(np.concatenate((rows, next_rows)), axis=0)
    here = taken[:n]
    if ACTION in store.columns:
        actions = here[:, store.columns[ACTION]]
    else:
        actions = store.others[ACTION][rows].reshape(n, -1)
    return Batch(
        rows=rows,
        observations=here[:, :width],
        actions=actions,
        rewards=here[:, store.columns[REWARD].start],
        next_observations=taken[n:, :width],
        discounts=gamma * (1 - here[:, store.columns[TERMINATED].start]),
        next_rows=next_rows,
    )


def n_step_transitions(store: ReplayStore, rows: Rows, gamma: float, n_steps: int) -> Batch:
    """
    Fetch transitions over up to n steps; fewer where the episode ends before.

    :param store: to read
    :param rows: (B,) with actions
    :param gamma: discount factor, in [0, 1]
    :param n_steps: at least 1
    """
    if n_steps == 1:
        return transitions(store, rows, gamma)
    n_taken = np.minimum(n_steps, store.steps_left(rows))
    steps = np.arange(n_steps)
    path = store.after(rows[:, None], np.minimum(steps, n_taken[:, None] - 1))
    used = steps < n_taken[:, None]
    rewards = store.column(REWARD)[path, 0]
    batch = _fetch(store, rows, store.after(rows, n_taken), gamma)
    terminated = store.column(TERMINATED)[path[:, -1], 0]
    return batch._replace(
        rewards=(rewards * used * gamma**steps).sum(axis=1, dtype=np.float64).astype(np.float32),
        discounts=(gamma**n_taken * (1 - terminated)).astype(np.float32),
    )
