"""A command that is killed at any moment, and the same command again until it ends."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from tests.faults.forks import ForkedCommand
from tests.faults.kills import Summary
from tests.faults.twins import facts

Start = Callable[[Path], ForkedCommand]

_WAIT = "have not ended yet"  # what a command says that will not run beside what it began
_MOST_STARTS, _END_SECONDS, _MOST_TRIES = 100, 600.0, 3


@dataclass
class Found:
    """
    What a command has left.

    :param parts: that must be equal to the twin's
    :param points: that must be there as often as the twin has them
    :param n_running: runs that the store still calls running
    """

    parts: dict[str, Any] = field(default_factory=dict)
    points: Counter[Any] = field(default_factory=Counter)
    n_running: int = 0

    def add_run(self, name: str, run_dir: Path, store: str | None = None) -> None:
        """
        Add all that is compared of a run.

        :param name: of the run, in both twins
        :param run_dir: its folder
        :param store: MLflow's uri; None: not tracked
        """
        of_run = facts(run_dir, store)
        for part in ("evaluations", "progress", "result", "saved"):
            self.parts[f"{name} {part}"] = getattr(of_run, part)
        self.points.update({(name, *point): n for point, n in of_run.points.items()})

    def add_store(self, uri: str) -> None:
        """
        Add how many runs a store has, and how they stand.

        :param uri: of the store
        """
        client = MlflowClient(uri)
        runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
        self.parts["runs by status"] = Counter(run.info.status for run in runs)
        self.n_running += sum(run.info.status == "RUNNING" for run in runs)


def judge(whole: Found, stopped: Found, what: str, summary: Summary) -> bool:
    """
    Compare with the twin.

    :param whole: of the twin
    :param stopped: of what was killed
    :param what: how it was killed
    :param summary: to add to
    :return: whether all is as it should be
    """
    names = sorted(whole.parts.keys() | stopped.parts.keys())
    differences = [name for name in names if whole.parts.get(name) != stopped.parts.get(name)]
    lost, double = whole.points - stopped.points, stopped.points - whole.points
    summary.n_differences += len(differences)
    summary.n_lost += lost.total()
    summary.n_double += double.total()
    summary.n_running += stopped.n_running
    if not (differences or lost or double or stopped.n_running):
        return True
    examples = {name: stopped.parts.get(name) for name in differences[:2]}
    summary.bad.append(
        f"{what}: {differences} differ, {list(lost)[:3]} lost, {list(double)[:3]} double, "
        f"{stopped.n_running} RUNNING; found {examples}"
    )
    return False


def to_its_end(start: Start, place: Path) -> str | None:
    """
    Give the same command until it ends.

    :param start: starts it
    :param place: where
    :return: what is wrong, None if it ended well
    """
    for _ in range(_MOST_STARTS):
        fork = start(place)
        code = fork.wait(_END_SECONDS)
        if code == 0:
            return None
        if _WAIT not in fork.stderr:
            break
        time.sleep(0.2)
    return f"did not go on: {code} {(fork.stdout + fork.stderr)[-800:]}"


def campaign(
    n: int, seed: int, folder: Path, start: Start, found_in: Callable[[Path], Found]
) -> Summary:
    """
    Kill a command at moments uniform in wall time, each third time its whole process group.

    :param n: kills
    :param seed: of the moments
    :param folder: for all of it
    :param start: starts the command in a folder
    :param found_in: reads what it has left there
    """
    rng, summary = random.Random(seed), Summary()
    for name in ("begun", "whole"):  # the first start also makes the process that forks
        twin = folder / name
        twin.mkdir()
        begun = time.monotonic()
        wrong = to_its_end(start, twin)
        assert wrong is None, wrong
        duration = time.monotonic() - begun
    whole = found_in(twin)
    assert not whole.n_running, f"the twin itself has not all in its store: {whole.parts}"
    for number in range(_MOST_TRIES * n):
        if summary.n == n:
            break
        place = folder / str(number)
        place.mkdir()
        seconds, group = rng.uniform(0, duration), number % 3 == 2
        what = f"after {seconds:.2f} of {duration:.2f} s{', the group' if group else ''}"
        fork = start(place)
        time.sleep(seconds)
        (fork.killpg if group else fork.kill)()
        summary.n += fork.wait() < 0  # else it had ended before
        wrong = to_its_end(start, place)
        if wrong is not None:
            summary.n_lost += 1
            summary.bad.append(f"{what}: {wrong}")
        elif judge(whole, found_in(place), what, summary):
            shutil.rmtree(place, ignore_errors=True)
    return summary
