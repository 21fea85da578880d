"""
Harm stores in many ways: every record is in the store or in the journal afterwards, none twice.

    python -m tests.faults.stores n=40 seed=0
"""

import contextlib
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from experiment.tracking import MlflowTracker
from experiment.tracking.journal import Journal
from experiment.tracking.rest import send_rest
from experiment.tracking.store import connect

_N_STEPS = 60
_STEP_SECONDS = 0.02


class Trial:
    """
    One run that logs while its store is harmed at a moment.

    :param folder: for the store and the run
    :param empty: a fresh store
    :param rng: decides when
    """

    def __init__(self, folder: Path, empty: Path, rng: random.Random) -> None:
        self.folder, self.empty, self.rng = folder, empty, rng
        self.database, self.run = folder / "mlflow.db", folder / "run"
        self.run.mkdir()
        shutil.copy(empty, self.database)
        self.moment = rng.randrange(1, _N_STEPS)

    def tracker(self) -> MlflowTracker:
        """Make the tracker of the run."""
        return MlflowTracker(
            uri=f"sqlite:///{self.database}",
            artifact_location=f"{self.folder}/mlruns",
            experiment_name="stores",
            flush_interval_seconds=0.05,
            system_metrics_interval_seconds=0.0,
            open_timeout_seconds=0.5,
            close_timeout_seconds=self.rng.choice([0.2, 5.0]),
        )

    def log(self, harm: Callable[[], None], first: int = 0) -> None:
        """Run, with the harm in the middle."""
        tracker = self.tracker()
        tracker.start(self.run, "run", {"a": "1", "b<c": "2"}, {"t": "3"}, step=first)
        for step in range(first, _N_STEPS):
            if step == self.moment:
                harm()
            tracker.log_metrics({"x": float(step), "y(z)": -float(step)}, step)
            time.sleep(_STEP_SECONDS)
        tracker.close("finished")
        tracker._sender.join(60)

    def locked(self) -> None:
        """Another process locks the database for a while."""
        self.log(lambda: threading.Thread(target=self._lock, daemon=True).start())

    def _lock(self) -> None:
        with contextlib.closing(sqlite3.connect(self.database)) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            time.sleep(self.rng.uniform(0.1, 2.0))
            lock.rollback()

    def deleted(self) -> None:
        """Somebody deletes the database."""
        self.log(self.database.unlink)

    def overwritten(self) -> None:
        """Somebody puts another database in its place, or a backup of it."""
        backup = self.folder / "backup.db"

        def overwrite() -> None:
            shutil.copy(backup, self.folder / "new.db")
            if self.rng.random() < 0.5:
                (self.folder / "new.db").replace(self.database)
            else:
                shutil.copyfile(self.folder / "new.db", self.database)

        shutil.copy(self.empty, backup)
        self.log(overwrite)

    def killed(self) -> None:
        """The process is killed, and the run goes on from a checkpoint before."""
        tracker = self.tracker()
        tracker.start(self.run, "run", {"a": "1", "b<c": "2"}, {"t": "3"}, step=0)
        for step in range(self.moment):
            tracker.log_metrics({"x": float(step), "y(z)": -float(step)}, step)
            time.sleep(_STEP_SECONDS)
        tracker.abandon()
        if self.rng.random() < 0.5:
            with (self.run / "tracking.jsonl").open("a") as file:
                file.write('{"kind": "met')
        checkpoint, self.moment = self.rng.randrange(self.moment), _N_STEPS
        self.log(lambda: None, first=checkpoint)

    def invalid(self) -> None:
        """The run has a record that the store refuses."""
        journal = Journal(self.run)

        def refuse() -> None:
            journal.append("metrics", time=1, step=10**30, values={"too large": 1.0})

        self.log(refuse)
        journal.close()
        assert "too large" in journal.rejected_path.read_text()

    def away(self) -> None:
        """The store cannot be reached at the start."""
        threading.Thread(target=self._lock, daemon=True).start()
        time.sleep(0.05)
        self.log(lambda: None)

    def check(self) -> str:
        """Compare the store with what was logged; what is missing must be in the journal."""
        late = "" if _is_complete(self._found()) else "sent later"
        send_rest(self.run)
        found = self._found()
        if not _is_complete(found):
            return "lost or doubled"
        return late or "all in the store"

    def _found(self) -> dict[str, list[tuple[int, float]]]:
        client = MlflowClient(f"sqlite:///{connect_path(self.database)}")
        with contextlib.suppress(Exception):
            (run,) = _runs(client)
            assert run.info.status == "FINISHED"
            assert run.data.params == {"a": "1", "b-x3c-c": "2"}
            return {
                key: sorted(
                    (m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)
                )
                for key in ("x", "y-x28-z-x29-")
            }
        return {}


def connect_path(database: Path) -> Path:
    """Make a deleted store again, as whoever opens it does."""
    connect(f"sqlite:///{database}")
    return database


def _runs(client: MlflowClient) -> list[Run]:
    ids = [one.experiment_id for one in client.search_experiments()]
    return list(client.search_runs(ids))


def _is_complete(found: dict[str, list[tuple[int, float]]]) -> bool:
    return found == {
        "x": [(step, float(step)) for step in range(_N_STEPS)],
        "y-x28-z-x29-": [(step, -float(step)) for step in range(_N_STEPS)],
    }


def campaign(n: int, seed: int, folder: Path) -> Counter[str]:
    """
    Harm stores.

    :param n: how many
    :param seed: of the moments
    :param folder: for the stores
    :return: how often what came of it, by kind of harm
    """
    connect(f"sqlite:///{folder}/empty.db")
    kinds = ["locked", "killed", "deleted", "overwritten", "invalid", "away"]
    ends: Counter[str] = Counter()
    for index in range(n):
        kind = kinds[index % len(kinds)]
        (folder / str(index)).mkdir()
        trial = Trial(folder / str(index), folder / "empty.db", random.Random(f"{seed} {index}"))
        getattr(trial, kind)()
        ends[f"{kind}: {trial.check()}"] += 1
    return ends


def arguments(words: list[str], **defaults: int) -> Iterator[int]:
    """Read ``key=value`` from the command line."""
    given = dict(word.split("=") for word in words)
    for key, default in defaults.items():
        yield int(given.get(key, default))


def main() -> None:
    """Run the campaign and print one line for each end, and the sum."""
    n, seed = arguments(sys.argv[1:], n=40, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        ends = campaign(n, seed, Path(folder))
    for end, count in sorted(ends.items()):
        print(f"{end}: {count}")
    n_lost = sum(count for end, count in ends.items() if "lost" in end)
    print(f"{n} stores harmed: {n_lost} lost or doubled records")
    sys.exit(n_lost > 0)


if __name__ == "__main__":
    main()
