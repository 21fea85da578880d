"""What two runs must have in common if nothing was lost and nothing counted twice."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric

from experiment.run_folder.checkpoint import read_meta
from interface.run_files import RUN_ID

# told by the clock, not by the seed
_NOT_COMPARED = ("time/", "system/")


@dataclass
class Facts:
    """
    What a run that has ended says.

    :param evaluations: rows of evaluations.csv
    :param progress: rows of progress.csv
    :param result: status, steps, score and the weights' digest
    :param saved: step of each checkpoint
    :param points: metric, step and value of each point in the store
    :param status: in the store
    """

    evaluations: list[dict[str, str]]
    progress: list[dict[str, str]]
    result: dict[str, Any]
    saved: dict[str, int]
    points: Counter[tuple[str, int, float]] = field(default_factory=Counter)
    status: str | None = None


def facts(run_dir: Path, store: str | None = None) -> Facts:
    """
    Read all that is compared.

    :param run_dir: folder of the run
    :param store: MLflow's uri; None: not tracked
    """
    result = json.loads((run_dir / "result.json").read_text(encoding="utf-8"))
    found = Facts(
        evaluations=_rows(run_dir / "evaluations.csv"),
        progress=_rows(run_dir / "progress.csv"),
        result={key: result[key] for key in ("status", "n_steps", "score", "weights_sha256")},
        saved={
            name: read_meta(run_dir / name).step
            for name in ("last.zip", "best_model.zip")
            if (run_dir / name).exists()  # a search keeps the winner's checkpoint only
        },
    )
    if store is not None:
        run_id = (run_dir / RUN_ID).read_text(encoding="utf-8").strip()
        client = MlflowClient(store)
        run = client.get_run(run_id)
        found.status = run.info.status
        for key in run.data.metrics:
            if not key.startswith(_NOT_COMPARED):
                found.points += _points(key, client.get_metric_history(run_id, key))
    return found


def _points(key: str, history: Sequence[Metric]) -> Counter[tuple[str, int, float]]:
    """
    Count the points of a metric by step and value.

    Training and an evaluation may both log a training metric at one step, and the tracker may send
    an equal value once or twice; more than that is doubled.
    """
    allowed = 1 if key.startswith("eval/") else 2
    counts = Counter((one.step, one.value) for one in history)
    return Counter({(key, *point): 1 + max(0, count - allowed) for point, count in counts.items()})


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {key: row[key] for key in row if not key.startswith(_NOT_COMPARED)}
            for row in csv.DictReader(file)
        ]


@dataclass
class Verdict:
    """
    How two runs differ; all 0 if they do not.

    :param differences: parts that are not equal
    :param n_lost: points that only the whole run has
    :param n_double: points that the stopped run has too many of
    :param n_running: runs that the store still calls running
    :param examples: some of the lost and doubled points
    """

    differences: list[str]
    n_lost: int
    n_double: int
    n_running: int
    examples: list[tuple[str, int, float]]

    def __bool__(self) -> bool:
        return bool(self.differences or self.n_lost or self.n_double or self.n_running)


def compare(whole: Facts, stopped: Facts) -> Verdict:
    """
    Compare a run that was stopped and went on with one that was not.

    :param whole: the one that was not
    :param stopped: the other
    """
    names = ("evaluations", "progress", "result", "saved")
    lost, double = whole.points - stopped.points, stopped.points - whole.points
    return Verdict(
        [name for name in names if getattr(whole, name) != getattr(stopped, name)],
        lost.total(),
        double.total(),
        int(stopped.status == "RUNNING"),
        [*list(lost)[:3], *list(double)[:3]],
    )
