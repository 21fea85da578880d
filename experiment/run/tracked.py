"""A run inside its tracker: what is told at the start, and how the run ended."""

import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from stable_baselines3.common.utils import get_device

from experiment.run.provenance import (
    code_version,
    config_params,
    machine,
    package_versions,
)
from experiment.run.report import task_of
from experiment.run.source_snapshot import keep_source
from experiment.run_folder.run_directory import BEST, LOG, RESULT, SOURCES, load_config
from experiment.run_folder.shown import command
from experiment.run_folder.story import PROVENANCE, Start, add_start
from experiment.tracking import Tracker
from interface.abilities import ChoosesUpdate
from interface.config import has_env
from interface.learner import Learner, progress_of
from interface.result import Status
from interface.run_context import RunContext
from interface.run_files import CONFIG, EVALUATIONS
from interface.run_monitor import RunLostError, RunMonitor

_TRACEBACK = "traceback.txt"
_CHANGES = "git.changes"
# Folders of a search have none: they are numbers of trials, "12-s83" on a fresh seed.
_DATE = re.compile(r"^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-s")


@dataclass
class End:
    """
    How a tracked run ended.

    :param status: set by the run
    """

    status: Status | None = None


@contextmanager
def tracked(
    tracker: Tracker,
    monitor: RunMonitor,
    cfg: DictConfig,
    context: RunContext,
    model: Learner,
) -> Iterator[End]:
    """
    Open the tracker for the block and close it as the block ends.

    :param tracker: of the run
    :param monitor: of a search
    :param cfg: the main config
    :param context: how the run was started
    :param model: to train
    """
    run_dir = context.run_dir
    provenance = code_version() | package_versions() | machine(get_device(cfg.device).type)
    tags = _tags(cfg, context, model) | provenance | _changes(cfg, run_dir)
    name, step = _run_name(cfg, run_dir), progress_of(model)
    tracker.start(run_dir, name, config_params(cfg), tags, step, context.sweep_dir)
    _tell_story(tracker, cfg, context, step, provenance)
    end = End()
    try:
        yield end
    except BaseException as error:
        if _is_lost(monitor, error):
            tracker.abandon()
            raise RunLostError from error
        _keep_traceback(tracker, run_dir)
        tracker.close("failed")
        raise
    for name in (CONFIG, EVALUATIONS, RESULT, BEST, PROVENANCE, LOG):
        if (run_dir / name).exists():
            tracker.log_artifact(run_dir / name)
    if end.status is not None:
        tracker.set_tags({"status": end.status.value})
    tracker.close("interrupted" if end.status is Status.INTERRUPTED else "finished")


def _tell_story(
    tracker: Tracker, cfg: DictConfig, context: RunContext, step: int, provenance: dict[str, str]
) -> None:
    """Note this start of the run, and keep the code that differs from its commit."""
    patch = keep_source(context.run_dir, Path(cfg.data_dir) / SOURCES)
    if patch is not None:
        tracker.log_artifact(patch)
        tracker.set_tags({_CHANGES: patch.name})
        provenance = provenance | {_CHANGES: patch.name}
    start = Start.now(context, step, provenance)
    add_start(context.run_dir, start, goes_on=cfg.restore is not None)


def _keep_traceback(tracker: Tracker, run_dir: Path) -> None:
    with suppress(OSError):  # the reason may be a full disk
        (run_dir / _TRACEBACK).write_text(traceback.format_exc(), encoding="utf-8")
        tracker.log_artifact(run_dir / _TRACEBACK)


def _tags(cfg: DictConfig, context: RunContext, model: Learner) -> dict[str, str]:
    """Tell what a run is, for the lists of runs."""
    tags = {
        "env": cfg.env.id,
        "algorithm": cfg.algorithm_name,
        "seed": str(cfg.seed),
        "run_dir": str(context.run_dir),
        "mlflow.note.content": _note(cfg, context),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": Path(sys.argv[0]).name,
    }
    if isinstance(model, ChoosesUpdate):
        tags["update"] = model.update_used
    return tags


def _is_lost(monitor: RunMonitor, error: BaseException) -> bool:
    """Tell whether a run that raised may write of it: its trial may be another sweeper's."""
    if isinstance(error, RunLostError):
        return True
    try:
        monitor.check_ours()
    except RunLostError:
        return True
    return False


def _run_name(cfg: DictConfig, run_dir: Path) -> str:
    """Name a run by algorithm, seed and what was changed: its folder's name without the date."""
    return f"{cfg.algorithm_name}-{_DATE.sub('', run_dir.name)}"


def _note(cfg: DictConfig, context: RunContext) -> str:
    """Write what MLflow shows first: what a run is, how to get it again, how to look at it."""
    run_dir = context.run_dir
    overrides = [text for text in context.overrides if "tracking." not in text]
    again = command("train", *overrides, anywhere=True)
    note = f"**{task_of(cfg)}, seed {cfg.seed}**\n\n    {again}\n\n"
    if not has_env(cfg):
        return note
    test, film = (
        command("evaluate", f"run={run_dir}", *more, anywhere=True)
        for more in (["n_episodes=100"], ["n_episodes=3", "render=record"])
    )
    return f"{note}Test it, or film it (films are among the artifacts):\n\n    {test}\n    {film}\n"


def _changes(cfg: DictConfig, run_dir: Path) -> dict[str, str]:
    """Tell what differs from the params of the first start, which a tracker never changes."""
    if cfg.restore is None:
        return {}
    before = config_params(load_config(run_dir))
    now = config_params(cfg)
    return {f"changed.{key}": now[key] for key in now if now[key] != before.get(key)}
