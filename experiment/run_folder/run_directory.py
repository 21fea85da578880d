"""
Find runs: by folder, by MLflow run id, or the latest.

A run's folder holds ``config.yaml`` (resolved), ``train.log``, ``evaluations.csv``,
``progress.csv``, ``last.zip`` and ``best_model.zip``.
"""

import json
import math
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiment.run_folder.schema import CONFIG_LINE, check_config_schema
from experiment.run_folder.shown import shown
from experiment.run_folder.story import PROVENANCE, command_of, last_start_by_user
from experiment.run_folder.trust import warn_of_foreign_code
from interface.errors import UserError
from interface.resolvers import REPOSITORY, quoted, register_resolvers
from interface.run_context import RunContext
from interface.run_files import CONFIG, LAST, RUN_ID
from util.atomic_write import atomic_write_text
from util.nearest_name import nearest_name

BEST = "best_model.zip"
LOG = "train.log"
RESULT = "result.json"
PROGRESS = "progress.csv"

NO_MONITOR = "interface.run_monitor.NullMonitor"

SAID_DIRECTORY = "run directory: "
"""What a run says before its folder; a launch finds it there."""

DATA_DIR = REPOSITORY / "data"

SOURCES = "sources"
"""Folder in ``data_dir`` of the code of all runs, an archive a commit."""

# what a continued run may change; everything else would make it another run
_CHANGEABLE = re.compile(
    r"(restore|n_epochs|n_threads|device|early_stop_\w+|checkpoint_every_n_epochs|tensorboard"
    r"|render\.[\w.]+|tracking\.\w+|hydra\..*|debug|trust)="
)


def find_run(reference: str, data_dir: Path = DATA_DIR) -> Path:
    """
    Find a run's folder.

    :param reference: the folder itself, its name, an MLflow run id, or ``latest``
    :param data_dir: where runs live
    :raises UserError: if there is no such run
    """
    folder = Path(reference)
    if (folder / CONFIG).is_file():
        return folder.resolve()
    if reference == "latest":
        return latest_run(data_dir)
    if re.fullmatch(r"[0-9a-f]{32}", reference):
        for path in data_dir.rglob(RUN_ID):
            if path.read_text(encoding="utf-8").strip() == reference:
                return path.parent
        raise UserError(f"no run in {data_dir} has the MLflow run id {reference}")
    if folder.is_dir():
        raise UserError(f"{folder} is not a run's folder: it has no {CONFIG}")
    names = {path.parent.name: path.parent for path in data_dir.rglob(CONFIG)}
    if reference in names:
        return names[reference].resolve()
    close = nearest_name(folder.name, [*names, "latest"])
    meant = "latest" if close == "latest" else str(shown(names[close])) if close else None
    raise UserError(
        f"there is no run {reference!r}"
        + (f"; did you mean {meant}?" if meant else "")
        + "; give a run's folder or its name, its MLflow run id, or latest"
    )


def latest_run(data_dir: Path = DATA_DIR) -> Path:
    """
    Find the run that a user started last, or let go on: none of a search, the matrix, no rerun.

    :param data_dir: where runs live
    :raises UserError: if there is none with a checkpoint
    """
    folders = [path.parent for path in data_dir.rglob(LAST)] if data_dir.is_dir() else []
    if not folders:
        raise UserError(f"there is no run with a checkpoint in {data_dir} yet")
    runs = newest_first(folder for folder in folders if (folder / CONFIG).exists())
    if not runs:
        raise UserError(
            f"none of the {len(folders)} runs with a checkpoint in {data_dir} was started by "
            f"itself; give the folder of one of a search, of the matrix, or a rerun"
        )
    return runs[0].resolve()


def newest_first(folders: Iterable[Path]) -> list[Path]:
    """
    Sort runs by when a user last started them, by their own clock: a copy is no newer.

    :param folders: of runs
    :return: without those that no user started
    """
    started = {folder: last_start_by_user(folder) for folder in folders}
    known = {folder: time for folder, time in started.items() if time is not None}
    return sorted(known, key=lambda folder: (known[folder], folder.name), reverse=True)


def best_run(env_id: str, algorithm: str | None, data_dir: Path = DATA_DIR) -> Path:
    """
    Find the finished run with the highest score, see ``experiment.run.score``.

    :param env_id: of the environment: scores of different ones do not compare
    :param algorithm: only runs of this one; None: of any
    :param data_dir: where runs live
    :raises UserError: if there is none
    """
    folder = data_dir / env_id / (algorithm or "")
    scores = {}
    for path in folder.rglob(RESULT):
        result = json.loads(path.read_text(encoding="utf-8"))
        if (path.parent / BEST).exists() and math.isfinite(result["score"]):
            scores[path.parent] = result["score"]
    if not scores:
        raise UserError(f"there is no finished run with a checkpoint in {folder} yet")
    return max(scores, key=lambda run: scores[run]).resolve()


def load_config(run_dir: Path) -> DictConfig:
    """
    Read the config of a run.

    :param run_dir: its folder
    :raises UserError: if it cannot be read
    """
    register_resolvers()
    try:
        cfg = OmegaConf.load(run_dir / CONFIG)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {run_dir / CONFIG}: {error}") from error
    if not isinstance(cfg, DictConfig):
        raise UserError(f"{run_dir / CONFIG} is not a config")
    cfg.pop("defaults", None)
    return cfg


def write_config(cfg: DictConfig, context: RunContext) -> None:
    """
    Write the resolved config of a run, below the commands that started it.

    A run that goes on may be told other values, e.g. a later end: the last ones hold, so that the
    file says how to train all of the run in one piece. What lies in the repository, such as the
    tracking store if nobody named another, stays relative to it: a run that is moved to another
    clone goes on there.

    :param cfg: the main config
    :param context: how the run was started
    :raises UserError: if the folder holds a checkpoint of another configuration
    """
    run_dir = context.run_dir
    path = run_dir / CONFIG
    goes_on = cfg.restore is not None
    before = commands_of(run_dir) if goes_on else []
    header = "".join(f"# {text}\n" for text in [*before, command_of(context)])
    # Hydra reads this file when the run is continued, and checks changes against MainConfig.
    header = CONFIG_LINE + header + "defaults:\n- main_schema\n- _self_\n"
    # resolved in place: a copy would draw another seed
    content = OmegaConf.to_container(cfg, resolve=True, enum_to_str=True)
    assert isinstance(content, dict)
    _keep_relative(content, OmegaConf.to_container(cfg, resolve=False))
    content.pop("search_space", None)
    content["restore"] = None
    content["trust"] = False  # said of a command, not of a run
    content["run_monitor"] = {"_target_": NO_MONITOR}  # whoever runs it again is no search
    has_begun = any((run_dir / name).exists() for name in (LAST, RESULT))
    is_kept = not goes_on and path.exists() and has_begun
    if is_kept and load_config(run_dir) != content:
        raise UserError(
            f"{run_dir} holds a run of another configuration; restore={run_dir} goes on with "
            f"that one, another hydra.run.dir starts a new one"
        )
    atomic_write_text(path, header + OmegaConf.to_yaml(OmegaConf.create(content)))


def _keep_relative(content: dict[Any, Any], unresolved: Any) -> None:
    """Take back what was resolved of values in the repository."""
    for key, value in unresolved.items():
        if isinstance(value, dict):
            _keep_relative(content[key], value)
        elif isinstance(value, str) and "${repository:}" in value:
            content[key] = value


def commands_of(run_dir: Path) -> list[str]:
    """
    List the commands that started a run, or let it go on, oldest first.

    :param run_dir: its folder
    """
    path = run_dir / CONFIG
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line.removeprefix("# ") for line in lines if line.startswith("# ")]


@contextmanager
def discarded_if_refused(run_dir: Path) -> Iterator[None]:
    """
    Remove the folder that Hydra made if the run fails before it has begun.

    :param run_dir: folder of the run
    """
    if (run_dir / CONFIG).exists():
        yield
        return
    try:
        yield
    except BaseException:
        if not any((run_dir / name).exists() for name in (PROVENANCE, RUN_ID)):
            shutil.rmtree(run_dir, ignore_errors=True)
        raise


def restore_arguments(reference: str, arguments: list[str]) -> list[str]:
    """
    Make the arguments that continue a run: its own config, its own folder.

    :param reference: see ``find_run``
    :param arguments: of the command line
    :return: the arguments for Hydra
    :raises UserError: if there is no such run, or an override would make it another run
    """
    options = [text for text in arguments if text.startswith("-")]
    if set(options) & {"-m", "--multirun"}:
        raise UserError("restore= goes on with one run and does not go together with --multirun")
    data_dirs = [text for text in arguments if text.startswith("data_dir=")]
    data_dir = Path(data_dirs[-1].partition("=")[2]) if data_dirs else DATA_DIR
    run_dir = find_run(reference, data_dir)
    # the run's own config cannot vouch for itself
    trusted = "trust=true" in [text.lower() for text in arguments]
    warn_of_foreign_code(run_dir, data_dir, trusted=trusted)
    changes = [text for text in arguments if text not in options + data_dirs]
    for change in changes:
        if not _CHANGEABLE.match(change):
            raise UserError(
                f"restore={reference} goes on with {run_dir} as it was, so {change} cannot be "
                f"changed; what can: n_epochs, early_stop_..., device, render.mode, tracking.uri"
            )
    kept = [text for text in changes if not text.startswith("restore=")]
    arguments = arguments_of(run_dir, run_dir)
    return [*options, *arguments, *data_dirs, *kept, f"restore={run_dir}"]


def arguments_of(run_dir: Path, output_dir: Path) -> list[str]:
    """
    Make the arguments for Hydra that take a run's config instead of composing a new one.

    :param run_dir: folder of that run
    :param output_dir: folder of the run to start
    :raises UserError: if the config is of another version
    """
    check_config_schema(run_dir)
    return [
        "--config-dir",
        str(run_dir),
        "--config-name",
        "config",
        f"hydra.run.dir={quoted(str(output_dir))}",
        "hydra.output_subdir=null",
        "hydra/job_logging=short",
    ]
