"""What every sampler keeps to."""

import csv
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import baselines_ext
from baselines_ext.hac.goal_space import GoalSpace
from baselines_ext.hac.transitions import HacSampler
from baselines_ext.replay.fields import ACTION, REWARD, TERMINATED, Field
from baselines_ext.replay.samplers import Batch, Sampler
from baselines_ext.replay.store import ReplayStore
from interface.errors import UserError
from tests.baselines_ext.replay.test_replay_store import GAMMA
from tests.running import TINY, train

N_GOAL = 2


def near(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    return (np.abs(achieved - desired) < 0.5).all(axis=-1).astype(np.float32) - 1


def hac_sampler(*, testing: bool) -> HacSampler:
    box = spaces.Box(-9, 9, (N_GOAL,))
    goals = GoalSpace(
        box, lambda seen: seen["achieved_goal"], lambda one, other: near(one, other) == 0
    )
    relabelling = baselines_ext.HindsightRelabelling()
    return HacSampler(goals, relabelling, baselines_ext.SubgoalTesting() if testing else None, -10)


SAMPLERS = {
    "uniform": baselines_ext.Uniform(),
    "three steps": baselines_ext.Uniform(n_steps=3),
    "future": baselines_ext.Hindsight(),
    "final": baselines_ext.Hindsight(goal_selection_strategy="final", goals_terminate=True),
    "episode": baselines_ext.Hindsight(1, "episode", n_candidates=3),
    "no hindsight": baselines_ext.Hindsight(0),
    "hac, lowest layer": hac_sampler(testing=False),
    "hac, upper layer": hac_sampler(testing=True),
}


def filled(sampler: Sampler, n_envs: int, rows_per_env: int) -> ReplayStore:
    """Make a store with whole, running and partly overwritten episodes."""
    observed = {"achieved_goal": Field((N_GOAL,)), "desired_goal": Field((N_GOAL,))}
    action = Field((3,))
    extra = sampler.extra_fields(action)
    store = ReplayStore(rows_per_env * n_envs, observed, action, n_envs, extra)
    rng = np.random.default_rng(0)

    def observation() -> dict[str, np.ndarray]:
        return {key: rng.integers(-3, 3, N_GOAL).astype(float) for key in observed}

    for step in range(50):
        for env in range(n_envs):
            if not store.in_episode(env):
                store.begin(env, observation())
            over = (step + env) % 7 == 6
            transition = {
                ACTION: rng.uniform(-1, 1, 3),
                REWARD: -rng.random(),
                TERMINATED: over and step % 2,
                **{name: rng.random(field.shape) for name, field in extra.items()},
            }
            store.append(env, transition, observation(), over=over)
    return store


def draw(sampler: Sampler, store: ReplayStore, seed: int = 0) -> Batch:
    return sampler.sample(store, 64, GAMMA, np.random.default_rng(seed), near)


@pytest.mark.parametrize(("n_envs", "rows_per_env"), [(1, 200), (1, 20), (3, 20)])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler(name: str, n_envs: int, rows_per_env: int):
    sampler = SAMPLERS[name]
    store = filled(sampler, n_envs, rows_per_env)
    before = store.matrix.copy()
    batch, again, other = (draw(sampler, store, seed) for seed in (0, 0, 1))
    for got, same in zip(batch, again, strict=True):
        np.testing.assert_array_equal(got, same)
    assert any((got != new).any() for got, new in zip(batch, other, strict=True))
    shapes = {key: np.shape(value) for key, value in batch._asdict().items()}
    assert shapes == {
        "rows": (64,),
        "observations": (64, 2 * N_GOAL),
        "actions": (64, 3),
        "rewards": (64,),
        "next_observations": (64, 2 * N_GOAL),
        "discounts": (64,),
        "next_rows": (64,),
    }
    assert store.has_action[batch.rows].all()
    assert ((batch.discounts >= 0) & (batch.discounts <= np.float32(GAMMA))).all()
    achieved = store.columns["achieved_goal"]
    np.testing.assert_array_equal(
        batch.observations[:, achieved], store.matrix[batch.rows, achieved]
    )
    np.testing.assert_array_equal(
        batch.next_observations[:, achieved], store.matrix[batch.next_rows, achieved]
    )
    for values in batch:
        values[:] = 0
    np.testing.assert_array_equal(store.matrix, before)


@pytest.mark.parametrize("name", SAMPLERS)
def test_nothing_can_be_drawn_from_nothing(name: str):
    sampler = SAMPLERS[name]
    store = filled(sampler, 1, 20)
    store.clear()
    with pytest.raises(ValueError, match="empty replay store"):
        draw(sampler, store)


def test_a_sampler_of_goals_needs_goals():
    sampler: Any = baselines_ext.Hindsight()
    sentence = "the sampler Hindsight needs Dict observations with .*, got Box"
    with pytest.raises(ValueError, match=sentence):
        baselines_ext.SAC("MlpPolicy", gym.make("Pendulum-v1"), sampler=sampler)


HINDSIGHT = "{_target_: baselines_ext.Hindsight, n_sampled_goal: 4}"


def test_a_sampler_of_the_config_is_used(tmp_path):
    """SAC with hindsight is HER over SAC, bit by bit."""
    rows = {}
    for name, overrides in {
        "her": ["algorithm=her"],
        "sac": ["algorithm=sac", f"algorithm.sampler={HINDSIGHT}"],
        "plain": ["algorithm=sac"],
    }.items():
        train(tmp_path / name, *TINY, *overrides)
        with (tmp_path / name / "evaluations.csv").open(encoding="utf-8") as file:
            rows[name] = list(csv.DictReader(file))
        for row in rows[name]:
            del row["time/fps"], row["time/time_elapsed"]
    assert rows["her"] == rows["sac"] != rows["plain"]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["env=Pendulum-v1", "algorithm=sac", f"algorithm.sampler={HINDSIGHT}"],
            "sampler needs Dict observations with .*, got Box from Pendulum-v1",
        ),
        (
            ["algorithm=sac", "algorithm.sampler={_target_: baselines_ext.Hindsight, n_goals: 4}"],
            "parameter algorithm.sampler.n_goals",
        ),
        (
            ["algorithm=sac", "algorithm.sampler={_target_: baselines_ext.Uniform, n_steps: 0}"],
            "algorithm.sampler.n_steps must be at least 1, got 0",
        ),
        (
            ["algorithm=sac", "algorithm.sampler={_target_: baselines_ext.Hindsihgt}"],
            "cannot find baselines_ext.Hindsihgt; did you mean Hindsight",
        ),
        (
            ["algorithm=her", f"algorithm.learners.sac.sampler={HINDSIGHT}"],
            "her brings its own sampler, got Hindsight as well",
        ),
        (
            ["algorithm=hac", f"algorithm.learners.sac.sampler={HINDSIGHT}"],
            "hac brings its own sampler, got Hindsight as well",
        ),
    ],
)
def test_a_sampler_that_does_not_fit_is_refused(tmp_path, overrides: list[str], sentence: str):
    with pytest.raises(UserError, match=sentence):
        train(tmp_path / "run", "env=PointReach-v0", *overrides)
    assert not (tmp_path / "run").exists()
