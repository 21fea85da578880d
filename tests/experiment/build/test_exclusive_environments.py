"""Environments that cannot be had twice, or not with any seed."""

from pathlib import Path
from typing import Any

import pytest

from envs.point_reach import PointReach
from experiment.run_folder.metric_history import read_csv
from interface.errors import UserError
from interface.result import Status
from tests.foreign import QUICK, forget, register, settings
from tests.running import hydra_main, train


@pytest.fixture(autouse=True)
def forgotten_afterwards():
    yield
    forget()


class Single(PointReach):
    """A simulator that only one program can connect to."""

    n_alive = 0

    def __init__(self, **arguments: Any) -> None:
        if Single.n_alive:
            raise RuntimeError("already connected")
        Single.n_alive += 1
        super().__init__(**arguments)

    def close(self) -> None:
        Single.n_alive -= 1


class Scenarios(PointReach):
    """Knows ten scenarios."""

    seen: set[int | None] = set()  # noqa: RUF012 (the class counts)

    def reset(self, *, seed=None, options=None):
        if seed not in range(10):
            raise ValueError(f"there is no scenario {seed}")
        Scenarios.seen.add(seed)
        return super().reset(seed=seed, options=options)


def series(folder: Path) -> list[dict[str, float]]:
    epochs = read_csv(folder / "evaluations.csv").epochs
    return [
        {key: value for key, value in epoch.values.items() if "time/" not in key}
        for epoch in epochs
    ]


@pytest.mark.parametrize("algorithm", ["her", "hac", "sac", "ppo"])
def test_one_instance_is_enough(algorithm: str, tmp_path: Path):
    register(Single)
    run = ["env=Foreign-v0", *settings(algorithm), "n_epochs=2", "env.exclusive=true"]
    assert train(tmp_path, *run).status is Status.FINISHED
    assert Single.n_alive == 0
    assert len(series(tmp_path)) >= 2


@pytest.mark.parametrize("algorithm", ["her", "hac", "sac"])
def test_evaluations_in_the_training_environment_change_nothing(algorithm: str, tmp_path: Path):
    run = ["env=PointReach-v0", *settings(algorithm), "n_epochs=3", "eval_after_n_steps=133"]
    train(tmp_path / "two", *run)
    train(tmp_path / "one", *run, "env.exclusive=true")
    assert series(tmp_path / "one") == series(tmp_path / "two")


def test_an_exclusive_run_is_filmed_tested_and_goes_on(tmp_path: Path):
    from experiment.final_test.final_test import play
    from experiment.final_test.tested_agents import find_agent

    register(Single)
    run = ["env=Foreign-v0", *settings("her"), "env.exclusive=true"]
    train(tmp_path / "run", *run, "n_epochs=2", "render=record")
    assert list((tmp_path / "run").rglob("*.mp4"))
    train(tmp_path / "whole", *run, "n_epochs=3")
    train(tmp_path / "run", *run, "n_epochs=3", f"restore={tmp_path}/run")
    assert series(tmp_path / "run") == series(tmp_path / "whole")
    with hydra_main(["n_episodes=2"], tmp_path / "test", "evaluate") as cfg:
        assert len(play(cfg, find_agent(cfg, str(tmp_path / "run"))).episodes) == 2
    assert Single.n_alive == 0


def test_what_is_not_exclusive_is_told_why(tmp_path: Path):
    register(Single)
    with pytest.raises(UserError, match=r"cannot make env Foreign-v0: .*already connected"):
        train(tmp_path, "env=Foreign-v0", *settings("her"))
    Single.n_alive = 0
    for wrong in ("env.n_envs=2", "env.subprocesses=true", "overlap=true"):
        with pytest.raises(UserError, match=r"env.exclusive=true shares one instance"):
            train(tmp_path, "env=Foreign-v0", *settings("her"), "env.exclusive=true", wrong)


def test_seeds_of_a_range(tmp_path: Path):
    register(Scenarios)
    train(tmp_path, "env=Foreign-v0", *settings("her"), "env.seeds=[0,9]")
    assert len(Scenarios.seen) > 5
    with pytest.raises(UserError, match="there is no scenario"):
        train(tmp_path, "env=Foreign-v0", *settings("her"))


@pytest.mark.parametrize("wrong", ["[1]", "[5,4]", "[-1,3]", "[0,4294967296]"])
def test_ranges_of_seeds_that_are_none(wrong: str, tmp_path: Path):
    with pytest.raises(UserError, match=r"env.seeds must be \[least, greatest\]"):
        train(tmp_path, "env=PointReach-v0", *QUICK, f"env.seeds={wrong}")
