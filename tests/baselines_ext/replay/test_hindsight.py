"""Hindsight goals: where they come from, which come first, and what is learned from them."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import baselines_ext
from baselines_ext.hac.transitions import HindsightRelabelling
from baselines_ext.replay.hindsight import (
    GoalSelectionStrategy,
    Hindsight,
    HindsightGoals,
    hindsight_goals,
    relabel,
)
from baselines_ext.replay.reward import batched
from baselines_ext.replay.samplers import draw_rows, transitions
from tests.baselines_ext.hac.test_hac import LEARNER, agent, largest_difference, venv
from tests.baselines_ext.replay.test_replay_store import (
    GAMMA,
    add_episode,
    empty_store,
    lengths,
)


@given(lengths, st.integers(8, 40), st.sampled_from(GoalSelectionStrategy))
@settings(max_examples=60, deadline=None)
def test_hindsight_goals_come_from_the_same_episode(lengths, n_rows, strategy):
    store = empty_store(n_rows)
    for i, length in enumerate(lengths):
        add_episode(store, 100 * i, length, end="truncated")
    last = {100 * i: 100 * i + length for i, length in enumerate(lengths)}
    rows = draw_rows(store, 64, np.random.default_rng(0))
    numbers = transitions(store, rows, GAMMA).observations[:, 4].astype(int)
    goals = hindsight_goals(store, rows, strategy, np.random.default_rng(1))[:, 0].astype(int)
    for number, goal in zip(numbers, goals, strict=True):
        start = number - number % 100
        assert start < goal <= last[start]
        if strategy is GoalSelectionStrategy.FUTURE:
            assert goal > number
        if strategy is GoalSelectionStrategy.FINAL:
            assert goal == last[start]


def near(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    return (np.abs(achieved - desired) < 3).all(axis=1).astype(float) - 1


@given(
    lengths, st.sampled_from(["future", "final", "episode"]), st.integers(1, 8), st.integers(0, 7)
)
@settings(max_examples=60, deadline=None)
def test_goals_that_are_not_yet_reached_come_first(lengths, strategy, n_candidates, n_sampled):
    store = empty_store(400)
    for i, length in enumerate(lengths):
        add_episode(store, 100 * i, length, end="truncated")
    rng = np.random.default_rng(0)
    hindsight = HindsightGoals(n_sampled, strategy, n_candidates)
    rows, goals = hindsight.draw(store, 16, near, rng)
    n_relabelled = 16 * n_sampled // (n_sampled + 1)
    assert len(rows) == 16
    assert goals.shape == (n_relabelled, 2)
    assert store.has_action[rows].all()
    numbers = store.column("achieved_goal")[rows]
    assert (numbers[:n_relabelled, 0] // 100 == goals[:, 0] // 100).all()  # of the same episode
    if strategy == "future":
        assert (goals[:, 0] > numbers[:n_relabelled, 0]).all()
    reached = near(numbers[:n_relabelled], goals) == 0
    if n_candidates > 1:
        assert (np.diff(reached.astype(int)) >= 0).all()


def test_more_candidates_leave_out_what_never_moved():
    store = empty_store(600)
    for i in range(50):
        add_episode(store, 100 * i, 2, end="truncated")  # too short to leave its first goal
    add_episode(store, 9000, 9, end="truncated")

    def share_not_reached(n_candidates: int) -> float:
        rng = np.random.default_rng(0)
        hindsight = HindsightGoals(3, "future", n_candidates)
        rows, goals = hindsight.draw(store, 400, near, rng)
        return float((near(store.column("achieved_goal")[rows[:300]], goals) < 0).mean())

    assert share_not_reached(1) < 0.06
    assert share_not_reached(8) > 4 * share_not_reached(1)


def test_one_candidate_is_the_plain_drawing():
    store = empty_store()
    add_episode(store, 0, 9, end="truncated")
    future = GoalSelectionStrategy.FUTURE
    rows, goals = HindsightGoals(3, "future").draw(store, 8, near, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(rows, draw_rows(store, 8, rng))
    np.testing.assert_array_equal(goals, hindsight_goals(store, rows[:6], future, rng))


def test_rewards_may_be_a_list():
    store = empty_store()
    add_episode(store, 0, 9, end="truncated")
    rewards = batched(lambda achieved, desired, info: near(achieved, desired).tolist())
    rows, goals = HindsightGoals(3, "future", 4).draw(store, 8, rewards, np.random.default_rng(0))
    assert goals.shape == (6, 2)
    assert len(set(rows[:6])) > 1


def test_every_future_goal_is_drawn():
    store = empty_store()
    add_episode(store, 0, 5, end="truncated")
    rows = np.full(500, 2)
    goals = hindsight_goals(store, rows, GoalSelectionStrategy.FUTURE, np.random.default_rng(0))
    numbers, counts = np.unique(goals[:, 0], return_counts=True)
    assert list(numbers) == [3, 4, 5]
    assert min(counts) > 130


def test_episode_strategy_draws_from_the_whole_episode():
    store = empty_store()
    add_episode(store, 0, 4, end="truncated")
    rows = np.full(500, 2)
    goals = hindsight_goals(store, rows, GoalSelectionStrategy.EPISODE, np.random.default_rng(0))
    assert set(goals[:, 0]) == {1, 2, 3, 4}


def test_relabelled_transitions():
    store = empty_store()
    add_episode(store, 0, 5, end="truncated")
    calls = []

    def reward(achieved, desired):
        calls.append(len(achieved))
        return (achieved == desired).all(axis=1).astype(float)

    batch = transitions(store, np.arange(5), GAMMA)
    rng = np.random.default_rng(0)
    goals = hindsight_goals(store, batch.rows[:3], GoalSelectionStrategy.FINAL, rng)
    batch = relabel(store, batch, goals, reward)
    assert calls == [3]
    goals = batch.observations[:, store.columns["desired_goal"]][:, 0]
    np.testing.assert_array_equal(goals, [5, 5, 5, 1e6, 1e6])
    np.testing.assert_array_equal(
        batch.next_observations[:, store.columns["desired_goal"]][:, 0], goals
    )
    np.testing.assert_array_equal(batch.rewards, [0, 0, 0, -3, -4])
    assert (store.column("desired_goal")[:5] == 1e6).all()  # the store itself is never changed


def test_hindsight_knows_no_returns_of_several_steps():
    with pytest.raises(ValueError, match="n_steps must be 1 with the sampler Hindsight, got 3"):
        baselines_ext.SAC("MultiInputPolicy", venv(), n_steps=3, sampler=Hindsight())


def test_candidates_change_what_is_learned():
    plain, several = (
        agent(relabelling=HindsightRelabelling(n_candidates=n_candidates))
        for n_candidates in (1, 4)
    )
    for model in (plain, several):
        model.learn(200)
    assert largest_difference(plain.policy.state_dict(), several.policy.state_dict()) > 0


def test_what_a_buffer_remembers_is_loaded_and_not_how_it_samples(tmp_path: Path):
    def make(n_candidates: int) -> Any:
        arguments: dict[str, Any] = LEARNER
        learner = functools.partial(baselines_ext.SAC, **arguments)
        return baselines_ext.make_her(
            "MultiInputPolicy", venv(), {"sac": learner}, n_candidates=n_candidates, device="cpu"
        )

    one, other = make(1), make(8)
    one.learn(30)
    one.save_replay_buffer(tmp_path / "buffer.pkl")
    other.load_replay_buffer(tmp_path / "buffer.pkl")
    assert other.replay_buffer.size() == 30
    assert other.replay_buffer.sampler.goals.n_candidates == 8
