"""
Samplers: plain functions of a replay store, rows and a random generator.

Each returns a ``Batch``; the arrays are the caller's own.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import numpy as np

from baselines_ext.replay.fields import ACTION, REWARD, TERMINATED
from baselines_ext.replay.store import ReplayStore, Rows

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
    """

    rows: Rows
    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    next_observations: np.ndarray
    discounts: np.ndarray


class GoalSelectionStrategy(Enum):
    """
    Which achieved goal of the same episode replaces the desired one.

    Saved replay buffers name this module, so it stays here.
    """

    FUTURE = "future"
    """One achieved after the transition's start, its own end included."""
    FINAL = "final"
    """The last one."""
    EPISODE = "episode"
    """Any one."""


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


def at_goal(rewards: np.ndarray, goals: np.ndarray, compute_reward: RewardFunction) -> np.ndarray:
    """
    Tell which rewards are as good as that of a goal itself.

    :param rewards: (N,)
    :param goals: (N, G), at least one; all are taken to pay the same when they are reached
    :param compute_reward: of the environment, sparse
    :return: (N,) bool
    """
    return rewards >= compute_reward(goals[:1], goals[:1])


def end_at_goals(store: ReplayStore, batch: Batch, compute_reward: RewardFunction) -> None:
    """
    Count on nothing after a goal: discount 0 where the reward is that of the goal itself.

    :param store: that the batch comes from
    :param batch: its discounts are changed
    :param compute_reward: of the environment, sparse
    """
    goals = batch.observations[:, store.columns["desired_goal"]]
    batch.discounts[at_goal(batch.rewards, goals, compute_reward)] = 0
