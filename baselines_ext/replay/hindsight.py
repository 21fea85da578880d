"""Hindsight goals: transitions are learned from as if what was reached had been wanted (HER)."""

from enum import Enum
from typing import Annotated

import numpy as np

from baselines_ext.replay.ring import Rows
from baselines_ext.replay.samplers import (
    Batch,
    RewardFunction,
    Sampler,
    draw_rows,
    transitions,
)
from baselines_ext.replay.store import ReplayStore
from interface.errors import unknown_name
from interface.needs import needs
from interface.ranges import Count, at_least


class GoalSelectionStrategy(Enum):
    """Which achieved goal of the same episode replaces the desired one."""

    FUTURE = "future"
    """One achieved after the transition's start, its own end included."""
    FINAL = "final"
    """The last one."""
    EPISODE = "episode"
    """Any one."""


class HindsightGoals:
    """
    Which transitions get which goals (https://arxiv.org/abs/1707.01495, section 4.2-4.4).

    Where little moves, most goals of the future are reached before the transition begins, and it
    tells nothing about the way to them. Several candidates leave such out (as in arXiv 1905.05498);
    staying at a goal is then learned from the transitions that keep their own goal. Whether a goal
    is reached, sparse rewards tell.

    :param n_sampled_goal: transitions with a goal that was achieved later, per real one
    :param goal_selection_strategy: ``future``, ``final`` or ``episode``, or SB3's enum
    :param n_candidates: for each such transition; those whose goal is not yet reached where they
        begin are taken first
    :raises ValueError: for an unknown strategy, or no candidates
    """

    def __init__(
        self,
        n_sampled_goal: int = 3,
        goal_selection_strategy: str | Enum = "future",
        n_candidates: int = 1,
    ) -> None:
        strategies = [strategy.value for strategy in GoalSelectionStrategy]
        if isinstance(goal_selection_strategy, Enum):  # SB3's or ours
            goal_selection_strategy = goal_selection_strategy.name.lower()
        if goal_selection_strategy not in strategies:
            raise unknown_name("goal_selection_strategy", goal_selection_strategy, strategies)
        if not isinstance(n_candidates, int) or n_candidates < 1:
            raise ValueError(f"n_candidates must be an integer of at least 1, got {n_candidates}")
        self.strategy = GoalSelectionStrategy(goal_selection_strategy)
        self.share = n_sampled_goal / (n_sampled_goal + 1)
        self.n_candidates = n_candidates

    def draw(
        self,
        store: ReplayStore,
        batch_size: int,
        compute_reward: RewardFunction,
        rng: np.random.Generator,
    ) -> tuple[Rows, np.ndarray]:
        """
        Draw transitions, and goals for the first of them.

        :param store: to draw from
        :param batch_size: how many, B
        :param compute_reward: best where a goal is reached
        :param rng: only source of randomness
        :return: (B,) rows and (n, G) goals
        """
        n = int(self.share * batch_size)
        rows = draw_rows(store, batch_size, rng)
        if self.n_candidates == 1 or n == 0:
            return rows, hindsight_goals(store, rows[:n], self.strategy, rng)
        more = draw_rows(store, (self.n_candidates - 1) * n, rng)
        drawn = np.concatenate((rows[:n], more))
        goals = hindsight_goals(store, drawn, self.strategy, rng)
        here = store.column("achieved_goal")[drawn]
        reached = at_goal(compute_reward(here, goals), goals, compute_reward)
        chosen = np.argsort(reached, kind="stable")[:n]
        rows[:n] = drawn[chosen]
        return rows, goals[chosen]


@needs(goals=True, rewards_goals=True)
class Hindsight(Sampler):
    """
    Transitions of which some are given goals that were achieved later.

    :param n_sampled_goal: transitions with such a goal, per real one; 0 for none
    :param goal_selection_strategy: ``future``, ``final`` or ``episode``, or SB3's enum
    :param n_candidates: for each such transition, see ``HindsightGoals``
    :param goals_terminate: no rewards are counted on after a goal is reached; for sparse rewards
    :raises ValueError: for an unknown strategy, or no candidates
    """

    def __init__(
        self,
        n_sampled_goal: Annotated[int, at_least(0)] = 4,
        goal_selection_strategy: str | Enum = "future",
        n_candidates: Count = 1,
        goals_terminate: bool = False,
    ) -> None:
        self.goals = HindsightGoals(n_sampled_goal, goal_selection_strategy, n_candidates)
        self.goals_terminate = goals_terminate

    def sample(
        self,
        store: ReplayStore,
        batch_size: int,
        gamma: float,
        rng: np.random.Generator,
        compute_reward: RewardFunction | None,
    ) -> Batch:
        """Draw transitions, relabelled ones first; see ``Sampler``."""
        if compute_reward is None:
            raise ValueError("hindsight needs an environment that rewards goals: call set_env")
        rows, goals = self.goals.draw(store, batch_size, compute_reward, rng)
        batch = relabel(store, transitions(store, rows, gamma), goals, compute_reward)
        if self.goals_terminate:
            end_at_goals(store, batch, compute_reward)
        return batch


def hindsight_goals(
    store: ReplayStore, rows: Rows, strategy: GoalSelectionStrategy, rng: np.random.Generator
) -> np.ndarray:
    """
    Pick an achieved goal of the same episode for each transition.

    :param store: with a field ``achieved_goal``
    :param rows: (B,) with actions
    :param strategy: which one
    :param rng: only source of randomness
    :return: (B, G)
    """
    left = store.steps_left(rows)
    if strategy is GoalSelectionStrategy.FINAL:
        steps = left
    elif strategy is GoalSelectionStrategy.FUTURE:
        steps = 1 + (rng.random(len(rows)) * left).astype(np.int64)
    else:
        done = store.steps_done(rows)
        steps = 1 + (rng.random(len(rows)) * (left + done)).astype(np.int64) - done
    return store.column("achieved_goal")[store.after(rows, steps)]


def relabel(
    store: ReplayStore, batch: Batch, goals: np.ndarray, compute_reward: RewardFunction
) -> Batch:
    """
    Give other goals to the first transitions.

    Termination stays as it was stored. Rewards are computed in one call.

    :param store: that the batch comes from
    :param batch: its arrays are changed
    :param goals: (n, G), n at most B
    :param compute_reward: of the environment
    :return: the batch
    """
    n = len(goals)
    if n == 0:
        return batch
    desired = store.columns["desired_goal"]
    batch.observations[:n, desired] = goals
    batch.next_observations[:n, desired] = goals
    achieved = batch.next_observations[:n, store.columns["achieved_goal"]]
    batch.rewards[:n] = compute_reward(achieved, goals)
    return batch


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
