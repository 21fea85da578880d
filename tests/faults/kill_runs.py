"""Kills of training runs: at every write and rename, and at any moment."""

import functools
import random
import shutil
import time
from pathlib import Path

from mlflow import MlflowClient

from experiment.tracking.store import connect
from tests.faults.forks import ForkedCommand
from tests.faults.kills import Summary
from tests.faults.twins import Facts, compare, facts
from tests.faults.write_hooks import die_at

RUN = [
    "env=PointReach-v0",
    "algorithm=her",
    "policy=small",
    "preset=none",
    "n_epochs=4",
    "eval_after_n_steps=80",
    "n_test_rollouts=2",
    "seed=1",
    "n_threads=1",
    "overlap=false",
    "early_stop_threshold=1.1",
    "checkpoint_every_n_epochs=2",
    "algorithm.learners.sac.buffer_size=1000",
    "algorithm.learners.sac.learning_starts=40",
    "tracking.flush_interval_seconds=0.1",
]


class Runs:
    """
    A command, its uninterrupted twin, and a fresh store for each try.

    :param folder: for all of it
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.empty_store = folder / "empty.db"
        connect(f"sqlite:///{self.empty_store}")
        for name in ("begun", "whole"):  # the first start also makes the process that forks
            whole = self.fresh(name)
            start = time.monotonic()
            fork = self.start(whole, before=functools.partial(die_at, 0, whole / "run"))
            assert fork.wait() == 0, fork.stderr
            self.seconds = time.monotonic() - start
        self.n_writes = int((whole / "count").read_text(encoding="utf-8"))
        self.whole: Facts = facts(whole / "run", self.uri(whole))

    def fresh(self, name: str) -> Path:
        """Make a folder with a store."""
        folder = self.folder / name
        folder.mkdir()
        shutil.copy(self.empty_store, folder / "mlflow.db")
        return folder

    def uri(self, folder: Path) -> str:
        """Name the store in a folder."""
        return f"sqlite:///{folder}/mlflow.db"

    def start(self, folder: Path, *overrides: str, before=None) -> ForkedCommand:
        """Start the command."""
        store = [
            f"tracking.uri={self.uri(folder)}",
            f"tracking.artifact_location={folder}/mlruns",
            f"hydra.run.dir={folder}/run",
        ]
        return ForkedCommand(
            "experiment/train.py", *RUN, *store, *overrides, folder=folder, before=before
        )

    def go_on(self, folder: Path) -> ForkedCommand:
        """Do what a user does next: restore, or the same command where nothing was saved."""
        if (folder / "run" / "config.yaml").exists():
            return ForkedCommand("experiment/train.py", f"restore={folder}/run", folder=folder)
        return self.start(folder)

    def finish(self, fork: ForkedCommand, folder: Path, what: str, summary: Summary) -> None:
        """Go on with what has ended early, and compare."""
        again = None if fork.returncode == 0 else self.go_on(folder)
        if again is not None and again.wait() != 0:
            summary.bad.append(f"{what}: did not go on: {again.stderr[-500:]}")
        else:
            self.judge(folder, what, summary)

    def judge(self, folder: Path, what: str, summary: Summary) -> None:
        """Compare with the twin, and clear away what is as it should be."""
        verdict = compare(self.whole, facts(folder / "run", self.uri(folder)))
        client = MlflowClient(self.uri(folder))
        runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
        verdict.n_running = sum(run.info.status == "RUNNING" for run in runs)
        summary.n_differences += len(verdict.differences)
        summary.n_lost += verdict.n_lost
        summary.n_double += verdict.n_double
        summary.n_running += verdict.n_running
        if verdict:
            summary.bad.append(f"{what}: {verdict}")
        else:
            shutil.rmtree(folder)


def campaign(n: int, seed: int, folder: Path) -> Summary:
    """
    Kill runs: first at each write and rename in turn, then at moments uniform in wall time.

    :param n: kills
    :param seed: of the moments
    :param folder: for the runs
    """
    runs, rng, summary = Runs(folder), random.Random(seed), Summary()
    for number in range(n):
        at_write = number % 2 == 0
        run = runs.fresh(str(number))
        if at_write:
            k = 1 + (number // 2) % runs.n_writes if n >= 2 * runs.n_writes else 0
            k = k or rng.randint(1, runs.n_writes)
            what = f"write {k}"
            fork = runs.start(run, before=functools.partial(die_at, k, run / "run"))
            fork.wait()
        else:
            seconds = rng.uniform(0, runs.seconds)
            what = f"after {seconds:.2f} s"
            fork = runs.start(run)
            time.sleep(seconds)
            (fork.killpg if rng.random() < 0.5 else fork.kill)()
            fork.wait()
        summary.n += fork.returncode != 0  # else it had ended before
        runs.finish(fork, run, what, summary)
    return summary
