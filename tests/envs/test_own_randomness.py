"""What environments draw follows the seeds of their episodes, and changes nobody else's numbers."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from envs.episode_seeds import training_seeds
from experiment.build.environments import make_vec_env
from experiment.run_folder.metric_history import read_csv
from tests.foreign import Point, config_of, forget, made, run


@pytest.fixture(autouse=True)
def forgotten_afterwards():
    yield
    forget()


class Gambler(Point):
    """Draws from every generator that it does not own."""

    def _draw(self):
        drawn = [np.random.normal(), random.gauss(0, 1), float(th.randn(()))]
        return [
            *drawn,
            *self.action_space.sample(),
            *self.observation_space["observation"].sample(),
        ]

    def __init__(self):
        super().__init__()
        self.observation_space = spaces.Dict(
            {**self.observation_space.spaces, "drawn": spaces.Box(-np.inf, np.inf, (7,))}
        )
        self.drawn: list[float] = [0.0] * 7

    def look(self):
        return super().look() | {"drawn": np.array(self.drawn, np.float32)}

    def reset(self, *, seed=None, options=None):
        self.drawn = self._draw()
        return super().reset(seed=seed)

    def step(self, action):
        self.drawn = self._draw()
        return super().step(action)


def drawn_by(n_envs: int, *, subprocesses: bool, disturbed: bool = False) -> np.ndarray:
    """Collect what is drawn over two episodes of each environment."""
    cfg = config_of(Gambler, n_envs=n_envs)
    venv = make_vec_env(cfg, lambda index: training_seeds(5, index), subprocesses=subprocesses)
    try:
        seen: list[Any] = [venv.reset()]
        for _ in range(30):
            if disturbed:
                np.random.rand(3), random.random(), th.rand(2), venv.action_space.sample()
            seen.append(venv.step(np.zeros((n_envs, 2), np.float32))[0])
        return np.stack([observations["drawn"] for observations in seen])
    finally:
        venv.close()


@pytest.mark.parametrize("subprocesses", [False, True])
def test_whatever_an_environment_draws_from_follows_its_seed(subprocesses: bool):
    alone = drawn_by(3, subprocesses=False)
    np.testing.assert_array_equal(drawn_by(3, subprocesses=subprocesses, disturbed=True), alone)
    numbers = alone.reshape(-1)
    assert len(np.unique(numbers)) == numbers.size


class LateGambler(Point):
    """Samples from its space only when nobody watches any more."""

    n_steps = 0

    def step(self, action):
        self.n_steps += 1
        if self.n_steps > 250:
            self.position = self.action_space.sample().astype(float)
        return super().step(action)


def test_who_draws_late_follows_the_seed_of_the_run_all_the_same():
    def last_position() -> np.ndarray:
        env = made(LateGambler)
        for _ in range(13):
            env.reset()
            for _ in range(20):
                seen = env.step(np.zeros(2, np.float32))[0]
        return seen["achieved_goal"]

    np.testing.assert_array_equal(last_position(), last_position())


def test_nobody_elses_numbers_depend_on_an_environment():
    def numbers() -> list[float]:
        return [np.random.normal(), random.gauss(0, 1), float(th.randn(()))]

    def seed():
        np.random.seed(3)
        random.seed(3)
        th.manual_seed(3)

    seed()
    expected = [numbers(), numbers()]
    env = made(Gambler)
    seed()
    got = [numbers()]
    env.reset()
    env.step(np.zeros(2, np.float32))
    assert [*got, numbers()] == expected


def test_generators_that_are_not_used_cost_nothing_later():
    env = made(Point)
    for _ in range(11):
        env.reset()
        for _ in range(20):
            env.step(np.zeros(2, np.float32))
    assert not env.get_wrapper_attr("_randomness").matters_in_steps


def test_a_run_does_not_depend_on_the_process_of_its_environments(tmp_path: Path):
    def files(folder: Path, *overrides: str) -> str:
        run(Gambler, folder, "her", "env.n_envs=2", *overrides)
        return evaluations(folder)

    whole = files(tmp_path / "whole", "n_epochs=2")
    assert files(tmp_path / "apart", "n_epochs=2", "env.subprocesses=true") == whole
    files(tmp_path / "resumed")
    assert files(tmp_path / "resumed", "n_epochs=2", f"restore={tmp_path}/resumed") == whole


def evaluations(folder: Path) -> str:
    """Read what does not depend on the clock."""
    epochs = read_csv(folder / "evaluations.csv").epochs
    return "\n".join(
        f"{key}: {value!r}"
        for epoch in epochs
        for key, value in sorted(epoch.values.items())
        if not key.startswith("time/")
    )
