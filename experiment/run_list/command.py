"""What ``runs.py`` does: list, tell the story of one, delete, send, end dead ones."""

import sys
from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig, ListConfig

from experiment.run_folder.owner import check_not_running
from experiment.run_folder.run_directory import SOURCES, find_run
from experiment.run_folder.shown import shown
from experiment.run_folder.story import STARTERS
from experiment.run_list.listed_run import (
    STATUSES,
    ListedRun,
    listed_run,
    listed_runs,
    said_size,
    size_of,
    table,
)
from experiment.run_list.run_story import story_of
from interface.errors import UserError, unknown_name
from interface.run_files import run_id_of

_ACTIONS = ("delete", "send", "close_dead")
_CHOICES = {"status": STATUSES, "started_by": STARTERS}


def look_after(cfg: DictConfig, choices: Mapping[str, str | None]) -> None:
    """
    Do what the config asks for.

    :param cfg: of ``conf/runs.yaml``
    :param choices: name that was chosen from each config group
    :raises UserError: for wrong input, before anything is changed
    """
    _check(cfg)
    if cfg.close_dead:
        _close_dead(cfg.uri)
        return
    runs, notes = selected(cfg, choices.get("algorithm"))
    if cfg.delete:
        _delete(cfg, runs, choices.get("algorithm"))
    elif cfg.send:
        _send(runs)
    elif cfg.run is not None and len(runs) == 1:
        _say(*story_of(runs[0], Path(cfg.data_dir)))
    else:
        _list(runs, Path(cfg.data_dir))
    _say(*notes)


def _check(cfg: DictConfig) -> None:
    asked = [f"{name}=true" for name in _ACTIONS if cfg[name]]
    if len(asked) > 1:
        raise UserError(f"one at a time: {' and '.join(asked)}")
    if cfg.send and cfg.run is None:
        raise UserError("send=true needs run=, a run's folder, its MLflow run id, or latest")
    for key, known in _CHOICES.items():
        if cfg[key] is not None and cfg[key] not in known:
            raise unknown_name(key, str(cfg[key]), known)


def selected(cfg: DictConfig, algorithm: str | None) -> tuple[list[ListedRun], list[str]]:
    """
    Find the runs that the config names and its filters leave.

    :param cfg: of ``conf/runs.yaml``
    :param algorithm: only runs of this one; None: of any
    :return: the last started first, and one line for each folder that is left out
    :raises UserError: if a run that is named does not exist
    """
    data_dir = Path(cfg.data_dir)
    if cfg.run is None:
        found, notes = listed_runs(data_dir)
    else:
        names = list(cfg.run) if isinstance(cfg.run, ListConfig) else [cfg.run]
        folders = dict.fromkeys(find_run(str(name), data_dir) for name in names)
        found, notes = [listed_run(folder) for folder in folders], []
    env = cfg.env.id if cfg.get("env") is not None else None
    wanted = {"env": env, "algorithm": algorithm} | {key: cfg[key] for key in _CHOICES}
    asked = {key: value for key, value in wanted.items() if value is not None}
    return [run for run in found if all(getattr(run, key) == asked[key] for key in asked)], notes


def _list(runs: list[ListedRun], data_dir: Path) -> None:
    if not runs:
        _say(f"there is no such run in {shown(data_dir)}")
        return
    total = said_size(sum(run.size() for run in runs))
    sources = data_dir / SOURCES
    _say(*table(runs), f"{_counted(runs)}, {total} with artifacts in MLflow")
    if sources.is_dir():
        _say(f"{said_size(size_of(sources))} of code that runs share in {shown(sources)}")


def _delete(cfg: DictConfig, runs: list[ListedRun], algorithm: str | None) -> None:
    if all(value is None for value in (cfg.run, cfg.get("env"), algorithm, cfg.status)):
        raise UserError("delete=true needs run=, env=, algorithm= or status=: which runs?")
    for run in runs:
        check_not_running(run.folder)
    if not runs:
        raise UserError(f"there is no such run in {shown(Path(cfg.data_dir))}")
    from experiment.run_list.deletion import Stores, delete_run

    stores = Stores(runs)
    _say(*table(runs))
    if cfg.ask and not _confirmed(runs):
        raise UserError("nothing is deleted")
    for number, run in enumerate(runs):
        try:
            _say(*delete_run(run, stores))
        except UserError as error:
            raise UserError(f"{number} of {_counted(runs)} deleted; {error}") from error
    _say(f"{_counted(runs)} deleted: folder, artifacts and database rows")


def _counted(runs: list[ListedRun]) -> str:
    return f"{len(runs)} run{'s' if len(runs) > 1 else ''}"


def _confirmed(runs: list[ListedRun]) -> bool:
    if not sys.stdin.isatty():
        raise UserError("nothing is deleted: nobody can be asked here, so add ask=false")
    try:
        answer = input(f"delete {_counted(runs)} for good? [y/N] ")
    except (EOFError, KeyboardInterrupt):
        return False
    return answer.strip().lower() in ("y", "yes")


def _send(runs: list[ListedRun]) -> None:
    from experiment.tracking.rest import send_rest

    for run in runs:
        n_records = send_rest(run.folder)
        _say(f"the store has all {n_records} records of the run {run_id_of(run.folder)}")


def _close_dead(uri: str) -> None:
    from experiment.tracking.dead_runs import close_dead_runs
    from experiment.tracking.store import connect_existing

    _say(f"closed {close_dead_runs(connect_existing(uri))} runs")


def _say(*lines: str) -> None:
    for line in lines:
        print(line)  # noqa: T201
