"""One line of the list of runs."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from experiment.run_folder.owner import process_in
from experiment.run_folder.run_directory import RESULT
from experiment.run_folder.shown import shown
from experiment.run_folder.story import Start, starts_of
from interface.errors import UserError
from interface.resolvers import REPOSITORY
from interface.result import Status
from interface.run_files import CONFIG, run_id_of
from util.process_identity import is_dead

RUNNING, KILLED = "running", "killed"
STATUSES = (RUNNING, KILLED, *(status.value for status in Status))


@dataclass(frozen=True)
class ListedRun:
    """
    What a list says of a run.

    :param folder: of the run
    :param env: id of its environment
    :param algorithm: its name
    :param seed: of the run
    :param status: as in ``result.json``, else running or killed
    :param starts: its story; the first start may be missing in a run of a version before
    :param result: what ``result.json`` holds, empty if the run has not ended
    :param artifacts: its artifacts on this machine; None if they are elsewhere, or there are none
    """

    folder: Path
    env: str
    algorithm: str
    seed: int
    status: str
    starts: list[Start]
    result: dict[str, Any]
    artifacts: Path | None

    @property
    def started_by(self) -> str:
        """Who made its first start."""
        return self.starts[0].started_by if self.starts else ""

    @property
    def time(self) -> str:
        """When it was last started."""
        return self.starts[-1].time if self.starts else ""

    def size(self) -> int:
        """Count the bytes of its folder and its artifacts."""
        places = [self.folder, *([self.artifacts] if self.artifacts else [])]
        return sum(size_of(place) for place in places)


def listed_runs(data_dir: Path) -> tuple[list[ListedRun], list[str]]:
    """
    Read all runs.

    :param data_dir: where they live
    :return: the last started first, and one line for each folder that is left out
    """
    runs, notes = [], []
    for path in sorted(data_dir.rglob(CONFIG)):
        try:
            runs.append(listed_run(path.parent))
        except UserError as error:
            notes.append(f"left out: {error}")
    return sorted(runs, key=lambda run: (run.time, run.folder.name), reverse=True), notes


def listed_run(folder: Path) -> ListedRun:
    """
    Read one.

    :param folder: of the run
    :raises UserError: if its files are damaged
    """
    try:
        # SafeLoader in C; what it does not resolve is said of the repository only
        text = (folder / CONFIG).read_text(encoding="utf-8")
        cfg = yaml.load(text.replace("${repository:}", str(REPOSITORY)), yaml.CSafeLoader)
        result = _result(folder)
        return ListedRun(
            folder=folder,
            env=str(cfg["env"]["id"]),
            algorithm=cfg["algorithm_name"],
            seed=cfg["seed"],
            status=result.get("status") or _status_without_result(folder),
            starts=starts_of(folder),
            result=result,
            artifacts=_artifacts(folder, cfg["tracking"]),
        )
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{folder} is no run that can be read: {reason}") from error


def _result(folder: Path) -> dict[str, Any]:
    path = folder / RESULT
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _status_without_result(folder: Path) -> str:
    process = process_in(folder)
    return KILLED if process is None or is_dead(process) else RUNNING


def _artifacts(folder: Path, tracking: dict[str, Any]) -> Path | None:
    run_id = run_id_of(folder)
    if run_id is None or "artifact_location" not in tracking:
        return None
    place = Path(tracking["artifact_location"]) / run_id
    return place if place.is_dir() else None


def size_of(folder: Path) -> int:
    """
    Count the bytes of all files in a folder.

    :param folder: may be missing
    """
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def table(runs: Iterable[ListedRun]) -> list[str]:
    """
    Write runs as lines of a table.

    :param runs: to list
    """
    rows = [("last start", "env", "algorithm", "seed", "status", "done", "score", "size", "run")]
    rows += [
        (
            said_time(run.time)[:16],
            run.env,
            run.algorithm,
            str(run.seed),
            run.status,
            str(run.result.get("n_steps", "")),
            f"{run.result['score']:.3f}" if run.result else "",
            said_size(run.size()),
            str(shown(run.folder)),
        )
        for run in runs
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def said_time(time: str) -> str:
    """
    Say a time in the zone of this machine, as in the names of folders.

    :param time: as a story holds it; empty if it is not known
    """
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""


def said_size(n_bytes: int) -> str:
    """
    Say a size.

    :param n_bytes: of files
    """
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"
