"""The replay store and its samplers, against a list of episodes and loops."""

import pickle
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines_ext.replay.buffer import EpisodeReplayBuffer
from baselines_ext.replay.fields import Field
from baselines_ext.replay.hindsight import GoalSelectionStrategy, hindsight_goals
from baselines_ext.replay.reward import batched
from baselines_ext.replay.samplers import (
    draw_rows,
    n_step_transitions,
    transitions,
)
from baselines_ext.replay.store import ReplayStore

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


WITH_PICTURES = {"seen": Field((3,)), "picture": Field((2, 2), np.uint8), "goal": Field(())}


@given(st.integers(2, 5), st.integers(2, 12), st.booleans(), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_environments_together_are_stored_as_one_by_one(
    n_envs: int, rows_per_env: int, discrete: bool, seed: int
):
    rng = np.random.default_rng(seed)
    action_field = Field((1,), np.int64) if discrete else Field((1,))
    together, one_by_one = (
        ReplayStore(n_envs * rows_per_env, WITH_PICTURES, action_field, n_envs) for _ in range(2)
    )

    def observe() -> dict[str, np.ndarray]:
        pictures = rng.integers(0, 256, (n_envs, 2, 2), dtype=np.uint8)
        return {"goal": rng.random(n_envs), "seen": rng.random((n_envs, 3)), "picture": pictures}

    before = observe()
    for _ in range(40):
        for env in together.between_episodes():
            for store in (together, one_by_one):
                store.begin(env, {key: value[env] for key, value in before.items()})
        over = rng.random(n_envs) < 0.3
        transitions = {
            "action": rng.integers(0, 9, n_envs) if discrete else rng.random((n_envs, 1)),
            "reward": rng.random(n_envs),
            "terminated": over & (rng.random(n_envs) < 0.5),
        }
        after = observe()
        together.append_all(transitions, after, over)
        for env in range(n_envs):
            transition, following = (
                {key: value[env] for key, value in values.items()}
                for values in (transitions, after)
            )
            one_by_one.append(env, transition, following, over=bool(over[env]))
        before = after
        for name, values in vars(one_by_one).items():
            np.testing.assert_equal(vars(together)[name], values, err_msg=name)


@st.composite
def some_episodes(draw: st.DrawFn) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    episodes = []
    for n in draw(st.lists(st.integers(1, 9), max_size=20)):
        ends = np.arange(n) == n - 1
        episodes.append(
            {
                "seen": rng.random((n + 1, 3)).astype(np.float32),
                "goal": rng.random(n + 1).astype(np.float32),
                "picture": rng.integers(0, 256, (n + 1, 2, 2), dtype=np.uint8),
                "action": rng.integers(0, 9, (n, 1)),
                "reward": rng.random(n).astype(np.float32),
                "terminated": (ends & (rng.random() < 0.5)).astype(np.float32),
            }
        )
    return episodes


def stored(store: ReplayStore) -> list[Any]:
    """Everything that can be known of a store from outside, environment by environment."""
    found: list[Any] = [store.n_transitions, store.has_overwritten, *store.n_used]
    for env in range(store.n_envs):
        rows = store.rows_in_order(env)
        later = store.after(rows, 1)
        found += [store.steps_left(rows), store.steps_done(rows), store.ends_episode(rows)]
        found += [store.column(name)[rows] for name in store.fields]
        found += [store.column(name)[later] for name in store.observation_keys]
        found.append(store.in_episode(env))
    return found


@given(some_episodes(), some_episodes(), st.integers(1, 3), st.integers(2, 12))
@settings(max_examples=100, deadline=None)
def test_whole_episodes_are_stored_as_step_by_step(before, then, n_envs: int, rows_per_env: int):
    """Also those that are longer than the ring, and what is appended afterwards."""
    whole, by_step = (
        ReplayStore(n_envs * rows_per_env, WITH_PICTURES, Field((1,), np.int64), n_envs)
        for _ in range(2)
    )
    for episodes in (before, then):
        envs = np.argsort(by_step.n_used, kind="stable")
        whole.extend(episodes)
        for i, episode in enumerate(episodes):
            env, n = int(envs[i % n_envs]), len(episode["reward"])
            by_step.begin(env, {key: episode[key][0] for key in WITH_PICTURES})
            for t in range(n):
                transition = {key: episode[key][t] for key in ("action", "reward", "terminated")}
                following = {key: episode[key][t + 1] for key in WITH_PICTURES}
                by_step.append(env, transition, following, over=t == n - 1)
        for got, wanted in zip(stored(whole), stored(by_step), strict=True):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"reward": np.zeros(2)}, r"of an episode of 2 transitions must have shape \(3, 3\)"),
        ({"action": np.zeros(3)}, r"action of .* must have shape \(3, 1\), got \(3,\)"),
        ({"seen": np.zeros((4, 2))}, r"seen of .* must have shape \(4, 3\), got \(4, 2\)"),
        ({"sound": np.zeros(4)}, r"must hold \['action', .*\], got \['action', .*'sound'"),
        ({key: np.zeros(0) for key in ("action", "reward", "terminated")}, "at least one"),
    ],
)
def test_an_episode_that_does_not_fit_is_refused(change, sentence):
    store = ReplayStore(20, WITH_PICTURES, Field((1,), np.int64))
    episode = {
        "seen": np.zeros((4, 3)),
        "goal": np.zeros(4),
        "picture": np.zeros((4, 2, 2)),
        "action": np.zeros((3, 1)),
        "reward": np.zeros(3),
        "terminated": np.zeros(3),
    }
    with pytest.raises(ValueError, match=sentence):
        store.extend([episode | change])
    assert store.n_transitions == 0
    store.extend([episode])
    assert store.n_transitions == 3


def test_no_episodes_are_added_while_one_is_running():
    store = empty_store()
    add_episode(store, 0, 3, end="running")
    with pytest.raises(ValueError, match="an episode is running"):
        store.extend([])


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


def test_memory_that_others_use_is_not_counted(monkeypatch):
    there = psutil.virtual_memory()._replace(available=10**6)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: there)
    empty_store(100)
    with pytest.raises(MemoryError, match=r"this machine has 0\.0 GiB free"):
        empty_store(10**6)


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
