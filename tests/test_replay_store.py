"""The replay store and its samplers, against a list of episodes and loops."""

import pickle
from dataclasses import dataclass, field

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines_ext.common.fields import Field
from baselines_ext.common.hindsight import HindsightGoals, hindsight_goals, relabel
from baselines_ext.common.replay_buffer import EpisodeReplayBuffer
from baselines_ext.common.replay_store import ReplayStore
from baselines_ext.common.reward_function import batched
from baselines_ext.common.sampling import (
    GoalSelectionStrategy,
    draw_rows,
    n_step_transitions,
    transitions,
)

GAMMA = 0.9


@dataclass
class PlainEpisode:
    """Observation i is the number i of the episode; so are goals, and rewards are -i."""

    first: int
    length: int = 0
    over: bool = False
    terminated: bool = False


@dataclass
class PlainStore:
    """What the store should hold, episode by episode."""

    episodes: list[PlainEpisode] = field(default_factory=list)


def observation(number: int) -> dict[str, np.ndarray]:
    return {
        "achieved_goal": np.array([number, -number], float),
        "desired_goal": np.array([1e6, 1e6]),
        "observation": np.array([number, 0, 0], float),
    }


def empty_store(n_rows: int = 50, n_envs: int = 1) -> ReplayStore:
    fields = {"achieved_goal": Field((2,)), "desired_goal": Field((2,)), "observation": Field((3,))}
    return ReplayStore(n_rows, fields, Field((1,)), n_envs)


def add_episode(store: ReplayStore, first: int, length: int, *, end: str, env: int = 0) -> None:
    store.begin(env, observation(first))
    for i in range(length):
        last = i == length - 1
        transition = {
            "action": [first + i],
            "reward": -float(first + i),
            "terminated": last and end == "terminated",
        }
        store.append(env, transition, observation(first + i + 1), over=last and end != "running")


lengths = st.lists(st.integers(1, 9), min_size=1, max_size=30)


@given(lengths, st.integers(8, 60), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_what_can_be_sampled_is_what_was_stored_last(lengths, rows_per_env, n_envs):
    store = empty_store(rows_per_env * n_envs, n_envs)
    stored: list[list[int]] = [[] for _ in range(n_envs)]
    first = 0
    for i, length in enumerate(lengths):
        add_episode(store, first, length, end="truncated", env=i % n_envs)
        stored[i % n_envs] += range(first, first + length)
        first += 100
    rows = np.flatnonzero(store.has_action)
    assert store.n_transitions == len(rows)
    batch = transitions(store, rows, GAMMA)
    numbers = batch.observations[:, 4].astype(int)
    np.testing.assert_array_equal(batch.actions[:, 0], numbers)
    np.testing.assert_array_equal(batch.next_observations[:, 4], numbers + 1)
    np.testing.assert_array_equal(batch.rewards, -numbers)
    for env in range(n_envs):
        kept = sorted(numbers[rows // rows_per_env == env])
        newest = stored[env][-len(kept) :] if kept else []
        assert kept == newest
        assert len(kept) >= min(len(stored[env]), rows_per_env // 2)


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


def test_running_episodes_are_sampled():
    store = empty_store()
    add_episode(store, 0, 3, end="running")
    rows = draw_rows(store, 100, np.random.default_rng(0))
    assert set(rows) == {0, 1, 2}
    goals = hindsight_goals(store, rows, GoalSelectionStrategy.FINAL, np.random.default_rng(0))
    assert set(goals[:, 0]) == {3}
    np.testing.assert_array_equal(store.running_episode(0), [0, 1, 2, 3])


def test_sampling_is_uniform_over_transitions():
    store = empty_store()
    add_episode(store, 0, 9, end="truncated")
    add_episode(store, 100, 1, end="truncated")
    numbers = transitions(store, draw_rows(store, 5000, np.random.default_rng(0)), GAMMA)
    counts = np.unique(numbers.observations[:, 4], return_counts=True)[1]
    assert len(counts) == 10
    assert counts.min() > 400


@pytest.mark.parametrize(
    ("row", "n_steps", "end", "reward", "next_number", "discount"),
    [
        (0, 1, "truncated", 0.0, 1, 0.9),
        (0, 3, "truncated", -(1 * 0.9 + 2 * 0.81), 3, 0.729),
        (2, 3, "truncated", -(2 + 3 * 0.9), 4, 0.81),  # the episode ends after two of three
        (2, 3, "terminated", -(2 + 3 * 0.9), 4, 0.0),
        (3, 9, "running", -3.0, 4, 0.9),
        (0, 9, "terminated", -(0.9 + 2 * 0.81 + 3 * 0.729), 4, 0.0),
    ],
)
def test_n_step_returns(row, n_steps, end, reward, next_number, discount):
    store = empty_store()
    add_episode(store, 0, 4, end=end)
    batch = n_step_transitions(store, np.array([row]), GAMMA, n_steps)
    assert batch.rewards[0] == pytest.approx(reward)
    assert batch.next_observations[0, 4] == next_number
    assert batch.discounts[0] == pytest.approx(discount)


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


def test_a_pickled_store_holds_the_rows_in_use_and_goes_on():
    store = empty_store(1000)
    add_episode(store, 0, 5, end="running")
    blob = pickle.dumps(store)
    assert len(blob) < 5000
    copy = pickle.loads(blob)
    for each in (store, copy):
        each.append(
            0, {"action": [9], "reward": 1.0, "terminated": True}, observation(6), over=True
        )
        add_episode(each, 100, 3, end="truncated")
    np.testing.assert_array_equal(copy.matrix, store.matrix)
    rows = draw_rows(store, 50, np.random.default_rng(0))
    np.testing.assert_array_equal(rows, draw_rows(copy, 50, np.random.default_rng(0)))
    np.testing.assert_array_equal(store.steps_left(rows), copy.steps_left(rows))


def test_an_empty_store_says_so():
    with pytest.raises(ValueError, match="empty replay store"):
        draw_rows(empty_store(), 4, np.random.default_rng(0))


def test_a_capacity_beyond_the_machine_is_named():
    with pytest.raises(MemoryError, match=r"1,000,000,000,000 rows of \d+ bytes needs .* GiB"):
        empty_store(10**12)


def test_a_capacity_below_a_transition_is_refused():
    with pytest.raises(ValueError, match="hold no transition"):
        empty_store(3, n_envs=2)


def test_memory_of_fetch_reach():
    """SB3's hindsight buffer takes 372 bytes a transition of FetchReach."""
    fields = {
        "achieved_goal": Field((3,), np.float64),
        "desired_goal": Field((3,), np.float64),
        "observation": Field((10,), np.float64),
    }
    store = ReplayStore(51 * 100, fields, Field((4,)))
    assert store.bytes_per_row * 51 / 50 <= 0.3 * 372


def buffer(observation_space: spaces.Space, action_space: spaces.Space) -> EpisodeReplayBuffer:
    return EpisodeReplayBuffer(100, observation_space, action_space, device="cpu")


@pytest.mark.parametrize(
    ("observation_space", "action_space"),
    [
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), spaces.Discrete(3)),
        (spaces.Discrete(5), spaces.MultiDiscrete([2, 3])),
        (spaces.Box(-1, 1, (2, 3)), spaces.Box(-2, 2, (2,))),
        (spaces.Dict(a=spaces.Box(-1, 1, (2,)), b=spaces.Discrete(3)), spaces.Box(-1, 1, (1,))),
    ],
    ids=["image", "discrete", "matrix", "mixed"],
)
def test_any_space_comes_back_as_it_was(observation_space, action_space):
    observation_space.seed(0)
    action_space.seed(0)
    store = buffer(observation_space, action_space)
    observations = [observation_space.sample() for _ in range(6)]
    actions = [action_space.sample() for _ in range(5)]

    def stacked(value):
        if isinstance(value, dict):
            return {key: np.asarray(part)[None] for key, part in value.items()}
        return np.asarray(value)[None]

    for i, action in enumerate(actions):
        pair = stacked(observations[i]), stacked(observations[i + 1])
        store.add(*pair, np.asarray(action).reshape(1, -1), np.array([i]), np.array([False]), [{}])
    samples = store.sample(50)
    for i in range(50):
        number = int(samples.rewards[i])
        for got, wanted in (
            (samples.observations, observations[number]),
            (samples.next_observations, observations[number + 1]),
        ):
            parts = wanted.items() if isinstance(wanted, dict) else [(None, wanted)]
            for key, part in parts:
                value = got[i] if key is None else got[key][i]  # type: ignore[index]
                np.testing.assert_allclose(value.numpy().squeeze(), part)
        np.testing.assert_allclose(
            samples.actions[i].numpy().ravel(), np.ravel(actions[number]), rtol=1e-6
        )


def test_timeouts_are_no_terminations():
    store = buffer(spaces.Box(-1, 1, (1,)), spaces.Box(-1, 1, (1,)))
    one = np.zeros((1, 1))
    store.add(one, one, one, np.array([1.0]), np.array([True]), [{"TimeLimit.truncated": True}])
    store.add(one, one, one, np.array([2.0]), np.array([True]), [{}])
    samples = store.sample(64)
    dones = samples.dones.numpy().ravel()
    np.testing.assert_array_equal(dones, samples.rewards.numpy().ravel() == 2)


@pytest.mark.parametrize(
    "compute_reward",
    [
        lambda achieved, desired, info: 0.0 if np.linalg.norm(achieved - desired) < 1 else -1.0,
        lambda achieved, desired, info: -float(abs(achieved[0] - desired[0]) >= 1 and info == {}),
    ],
    ids=["one number", "one goal at a time"],
)
def test_rewards_that_take_no_batches(compute_reward, caplog):
    rewards = batched(compute_reward)
    achieved, desired = np.array([[0.0], [5.0], [9.0]]), np.array([[0.0], [0.0], [9.0]])
    for _ in range(2):
        np.testing.assert_array_equal(rewards(achieved, desired), [0, -1, 0])
    assert caplog.text.count("does not take batches") == 1


@pytest.mark.parametrize("hindsight", [{"n_sampled_goal": 4}, {"goals_terminate": True}])
def test_hindsight_knows_no_returns_of_several_steps(hindsight):
    space = spaces.Dict({key: spaces.Box(-1, 1, (2,)) for key in observation(0)})
    with pytest.raises(ValueError, match="hindsight goes with n_steps=1, got n_steps=3"):
        EpisodeReplayBuffer(20, space, spaces.Box(-1, 1, (1,)), n_steps=3, **hindsight)
