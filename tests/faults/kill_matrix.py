"""Kills of the regression matrix: a row of two seeds that train at once."""

import functools
import json
import shutil
from collections import Counter
from pathlib import Path

from mlflow import MlflowClient

from experiment.tracking.store import connect
from tests.faults.forks import ForkedCommand
from tests.faults.kills import Summary
from tests.faults.repeats import Found
from tests.faults.repeats import campaign as kill

_ROW = """
env: PointReach-v0
algorithm: her
overrides:
  - policy=small
  - preset=none
  - checkpoint_every_n_epochs=2
  - algorithm.learners.sac.buffer_size=1000
  - algorithm.learners.sac.learning_starts=40
n_steps: 320
eval_after_n_steps: 80
metric: eval/success_rate
threshold: 0.0
last_n: 4
n_test_rollouts: 2
required: 2
seeds: [1, 2]
minutes: 0.1
steps_per_second: 1
measured: [2, 2]
source: any agent reaches it
"""
_OF_THE_CLOCK = ("steps_per_second", "minutes")


def start(folder: Path, place: Path) -> ForkedCommand:
    """Start the matrix, or start it again."""
    if not (place / "mlflow.db").exists():
        shutil.copy(folder / "empty.db", place / "mlflow.db")
    return ForkedCommand(
        *("-m", "experiment.regression", "-p", "2", "--rows", f"{folder}/rows"),
        *("--output", f"{place}/out", "--uri", f"sqlite:///{place}/mlflow.db"),
        folder=place,
    )


def found_in(place: Path) -> Found:
    """Read the outcomes, what each run has made, and what the matrix has recorded."""
    found = Found()
    outcomes = sorted((place / "out").rglob("*.outcome.json"))
    for path in outcomes:
        outcome = json.loads(path.read_text())
        found.parts[path.name] = (outcome["exit_code"], outcome["timed_out"])
        found.add_run(path.name, path.with_name(path.name.removesuffix(".outcome.json")))
    found.parts["n_folders"] = len(list((place / "out").rglob("evaluations.csv")))
    store = f"sqlite:///{place}/mlflow.db"
    found.points += _recorded(MlflowClient(store))
    found.add_store(store)
    return found


def _recorded(client: MlflowClient) -> "Counter[tuple[str, float]]":
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    return Counter(
        (key, point.value)
        for run in runs
        for key in run.data.metrics
        if key not in _OF_THE_CLOCK
        for point in client.get_metric_history(run.info.run_id, key)
    )


def campaign(n: int, seed: int, folder: Path) -> Summary:
    """Kill matrices."""
    connect(f"sqlite:///{folder}/empty.db")
    (folder / "rows").mkdir()
    (folder / "rows" / "toy.yaml").write_text(_ROW, encoding="utf-8")
    return kill(n, seed, folder, functools.partial(start, folder), found_in)
