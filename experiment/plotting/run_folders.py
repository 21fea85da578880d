"""Read runs from their folders."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import yaml

from experiment.plotting.run_data import RunData, Series
from experiment.run.provenance import flat_params
from experiment.run_folder.metric_history import MetricHistory, read_csv
from experiment.run_folder.run_directory import RESULT, newest_first
from interface.errors import UserError
from interface.run_files import CONFIG, EVALUATIONS

_SECONDS = "time/time_elapsed"


def run_folders(data_dir: Path, envs: Sequence[str], n_latest: int | None) -> list[Path]:
    """
    List the folders of runs.

    :param data_dir: where runs live
    :param envs: only of these environments, if any run is; empty: all
    :param n_latest: so many of those that a user started, the newest first; None: all
    :raises UserError: if there is none
    """
    places = [data_dir / env for env in envs if (data_dir / env).is_dir()] or [data_dir]
    found = sorted(path.parent for place in places for path in place.rglob(CONFIG))
    if not found:
        raise UserError(f"there is no run in {data_dir} yet")
    latest = found if n_latest is None else newest_first(found)[:n_latest]
    if not latest:
        raise UserError(
            f"none of the {len(found)} runs in {data_dir} was started by itself; runs=all draws "
            f"those of searches, of the matrix, and reruns, too"
        )
    return latest


def read_folders(
    folders: Iterable[Path], metrics: Sequence[str]
) -> tuple[list[RunData], list[str]]:
    """
    Read runs.

    :param folders: of runs
    :param metrics: keys to read
    :return: the runs that were evaluated, and one line for each that was left out
    """
    runs, notes = [], []
    for folder in folders:
        try:
            runs.append(read_folder(folder, metrics))
        except (OSError, ValueError, yaml.YAMLError) as error:
            notes.append(f"left out {folder}: {_reason(error)}")
    return runs, notes


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"it has no {Path(error.filename).name} yet"
    return str(error).splitlines()[0]


def read_folder(folder: Path, metrics: Sequence[str]) -> RunData:
    """
    Read one run.

    :param folder: of the run
    :param metrics: keys to read
    :raises OSError: if it has no config or no evaluations
    :raises ValueError: if a file is damaged
    """
    text = (folder / CONFIG).read_text(encoding="utf-8")
    content = yaml.load(text, Loader=yaml.CSafeLoader)  # SafeLoader in C, 8 times faster
    if not isinstance(content, dict):
        raise ValueError(f"{CONFIG} is not a config")
    content.pop("defaults", None)
    history = read_csv(folder / EVALUATIONS)
    known = frozenset(history.keys())
    series = {key: _series(history, key) for key in metrics if key in known}
    return RunData(str(folder), flat_params(content), _status(folder), series, known)


def _series(history: MetricHistory, key: str) -> Series:
    epochs = [epoch for epoch in history.epochs if np.isfinite(epoch.values.get(key, np.nan))]
    seconds = [epoch.values.get(_SECONDS, np.nan) for epoch in epochs]
    return Series(
        np.array([epoch.step for epoch in epochs], dtype=float),
        np.array(seconds, dtype=float) / 60,
        np.array([epoch.values[key] for epoch in epochs]),
    )


def _status(folder: Path) -> str | None:
    path = folder / RESULT
    return json.loads(path.read_text(encoding="utf-8"))["status"] if path.exists() else None
