"""Kills of searches with two workers: of a worker, of the sweeper, of both, of the group."""

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.trial import FrozenTrial

from experiment.tracking.store import connect
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from tests.faults.forks import ForkedCommand
from tests.faults.kill_runs import RUN
from tests.faults.kills import Summary
from tests.faults.repeats import Found, judge, to_its_end

_SEARCH = [
    "--multirun",
    "seed=1",
    "hydra.sweeper.study_name=kills",
    "hydra.sweeper.n_jobs=2",
    "hydra.sweeper.heartbeat_seconds=0.5",
    "hydra.sweeper.max_losses=1000",
    "hydra.sweeper.no_sign_of_life=null",  # what ends a run early depends on when others ended
    "hydra.sweeper.epoch_factor=100",
    "hydra/sweeper/pruner=none",
]
_KINDS = ("worker", "sweeper", "both", "group")

Trials = dict[tuple[str, int], FrozenTrial]


class Light:
    """
    Searches of a task that only sleeps; some configurations reach the target and are verified.

    The space is finite and no larger than the search, so every search tries all of it.
    """

    n_trials, n_kills = 12, 8

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, place: Path) -> ForkedCommand:
        """Start the search, or start it again."""
        return ForkedCommand(
            "tests/apps/sleepy_task.py",
            *_SEARCH,
            *(f"x=choice({','.join(f'{i / 20}' for i in range(1, 13))})", "epoch_seconds=0.05"),
            *(f"hydra.sweeper.n_trials={self.n_trials}", f"hydra.sweep.dir={place}/search"),
            folder=place,
        )

    def add(self, found: Found, place: Path, screened: Mapping[str, FrozenTrial]) -> None:
        """Add what only this kind of search has: nothing."""


class Training:
    """Searches that train, with their runs in MLflow."""

    n_trials, n_kills = 4, 3

    def __init__(self, folder: Path) -> None:
        self.empty_store = folder / "empty.db"
        connect(f"sqlite:///{self.empty_store}")

    def start(self, place: Path) -> ForkedCommand:
        """Start the search, or start it again."""
        if not (place / "mlflow.db").exists():
            shutil.copy(self.empty_store, place / "mlflow.db")
        return ForkedCommand(
            "experiment/train.py",
            *_SEARCH,
            *[word for word in RUN if not word.startswith("seed=")],
            "algorithm.learners.sac.learning_rate=choice(0.0003,0.001,0.003,0.01)",
            *(f"hydra.sweeper.n_trials={self.n_trials}", f"hydra.sweep.dir={place}/search"),
            f"tracking.uri=sqlite:///{place}/mlflow.db",
            f"tracking.artifact_location={place}/mlruns",
            folder=place,
        )

    def add(self, found: Found, place: Path, screened: Mapping[str, FrozenTrial]) -> None:
        """Add what each configuration's run has made, and how all stand in MLflow."""
        store = f"sqlite:///{place}/mlflow.db"
        for name, trial in screened.items():
            found.add_run(name, Path(trial.user_attrs["run"]["dir"]), store)
        found.add_store(store)


Search = Light | Training


def trials_of(place: Path) -> Trials:
    """Read both studies of a search; there is none at first."""
    journal = place / "search" / "study.journal"
    if not journal.exists():
        return {}
    storage = open_storage(str(journal))
    return {
        (name, trial.number): trial
        for name in [study.study_name for study in storage.get_all_studies()]
        for trial in optuna.load_study(study_name=name, storage=storage).get_trials()
    }


def finished(trials: Trials) -> Trials:
    """Choose those that have ended."""
    return {key: trial for key, trial in trials.items() if trial.state.is_finished()}


def found_in(search: Search, place: Path) -> Found:
    """Read what a search has found, by configuration and seed: numbers depend on timing."""
    found, screened = Found(), {}
    trials = trials_of(place)
    folders: Counter[str] = Counter()
    for (study, _), trial in trials.items():
        folders[trial.user_attrs.get("run", {}).get("dir", "none")] += 1
        if study == "kills":
            name = str(sorted(trial.params.items()))
            screened[name] = trial
            found.points[name, trial.state.name, str(trial.values)] += 1
    found.parts["folders of several trials"] = [name for name, n in folders.items() if n > 1]
    found.parts["fresh seeds' states"] = {
        trial.state for (study, _), trial in trials.items() if study != "kills"
    }
    found.parts["report"] = (place / "search" / "report.md").exists()
    found.n_running = sum(not trial.state.is_finished() for trial in trials.values())
    search.add(found, place, screened)
    return found


def kill(fork: ForkedCommand, kind: str, rng: random.Random) -> bool:
    """Kill; tell whether there was anything to kill."""
    if fork.returncode is not None:
        return False
    workers = _workers(fork)
    if kind == "worker" and not workers:
        return False
    if kind in ("worker", "both") and workers:
        try:
            os.kill(rng.choice(workers).pid, 9)
        except ProcessLookupError:
            return False
    if kind == "group":
        fork.killpg()
    elif kind != "worker":
        fork.kill()
    if kind != "worker":
        fork.wait()
    return True


def _workers(fork: ForkedCommand) -> list[psutil.Process]:
    try:
        children = psutil.Process(fork.pid).children(recursive=True)
        return [child for child in children if "popen_loky" in " ".join(child.cmdline())]
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def killed_search(
    search: Search, place: Path, duration: float, n_kills: int, rng: random.Random
) -> tuple[int, list[str], dict[tuple[str, int], Any]]:
    """
    Kill a search several times.

    :param search: which
    :param place: its folder
    :param duration: of one that is not killed
    :param n_kills: at most; it may end before
    :param rng: decides when and what
    :return: how many kills there were, which, and what had finished before the last of them
    """
    fork = search.start(place)
    done: list[str] = []
    before: dict[tuple[str, int], Any] = {}
    while len(done) < n_kills:
        seconds, kind = rng.uniform(0, duration), rng.choice(_KINDS)
        end = time.monotonic() + seconds
        while fork.returncode is None and time.monotonic() < end:
            time.sleep(0.01)
        if fork.returncode is not None:
            break
        known = finished(trials_of(place))
        if kill(fork, kind, rng):
            done.append(f"{kind} after {seconds:.2f} s")
            before |= {key: _ended(trial) for key, trial in known.items()}
        if fork.returncode is not None:
            fork = search.start(place)
    if fork.returncode is None and fork.wait(600) != 0:
        done.append(f"then {(fork.stdout + fork.stderr)[-500:]}")
    return len(done), done, before


def _ended(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.state, trial.values, trial.datetime_complete


def kill_searches(
    search: Search, n: int, rng: random.Random, folder: Path, summary: Summary
) -> None:
    """Kill searches of one kind, n times in all."""
    for name in ("begun", "whole"):  # the first start also makes the process that forks
        twin = folder / name
        twin.mkdir()
        begun = time.monotonic()
        wrong = to_its_end(search.start, twin)
        assert wrong is None, wrong
        duration = time.monotonic() - begun
    wrong = to_its_end(search.start, twin)  # as after kills: a start sends what the store lacks
    assert wrong is None, wrong
    whole, until, number = found_in(search, twin), summary.n + n, 0
    assert not whole.n_running, f"the twin itself has not all in its store: {whole.parts}"
    while summary.n < until:
        place = folder / str(number)
        place.mkdir()
        number += 1
        n_kills = min(search.n_kills, until - summary.n)
        n_done, kills, before = killed_search(search, place, duration, n_kills, rng)
        summary.n += n_done
        what = f"{type(search).__name__} search {number}, {kills}"
        wrong = to_its_end(search.start, place)
        now = {key: _ended(trial) for key, trial in trials_of(place).items()}
        changed = [key for key, end in before.items() if now.get(key) != end]
        summary.n_lost += len(changed) + (wrong is not None)
        if wrong is not None or changed:
            summary.bad.append(f"{what}: {wrong}, finished trials changed: {changed}")
        elif judge(whole, found_in(search, place), what, summary):
            shutil.rmtree(place, ignore_errors=True)


def campaign(n: int, seed: int, folder: Path) -> Summary:
    """Kill searches: an eighth of the kills, of searches that train; the others, of light ones."""
    rng, summary = random.Random(seed), Summary()
    n_training = max(1, n // 8)
    for name, kind, n_kills in (("light", Light, n - n_training), ("real", Training, n_training)):
        (folder / name).mkdir()
        kill_searches(kind(folder / name), n_kills, rng, folder / name, summary)
    summary.of = f"searches ({n_training} of them training)"
    return summary
