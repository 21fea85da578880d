"""What a run says of itself at its start and end."""

import hashlib
import json
import logging
from pathlib import Path

import torch as th
from omegaconf import DictConfig

from experiment.run_folder.metric_history import MetricHistory
from experiment.run_folder.run_directory import RESULT, SAID_DIRECTORY
from experiment.run_folder.shown import command, shown
from experiment.tracking import Tracker
from interface.abilities import ChoosesUpdate, ExploresEnvironments
from interface.config import Direction, has_env
from interface.learner import Learner, Unit, moment_of, progress_of, unit_of
from interface.metrics import EVAL_KEYS, EVAL_RETURN, EVAL_SUCCESS_RATE
from interface.objective import Criterion, criteria
from interface.result import RunResult, Status
from interface.run_context import RunContext
from util.atomic_write import atomic_write_text

log = logging.getLogger(__name__)


def log_start(cfg: DictConfig, context: RunContext, model: Learner) -> None:
    """
    Say what starts.

    :param cfg: the main config
    :param context: how the run was started
    :param model: to train
    """
    goes_on = progress_of(model) > 0
    log.info(
        "%s, seed %d, up to %d %s, %s",
        task_of(cfg),
        cfg.seed,
        cfg.n_epochs * cfg.eval_after_n_steps,
        unit_of(model),
        f"going on at {moment_of(model)}" if goes_on else _tuning(context),
    )
    if isinstance(model, ExploresEnvironments):
        used = model.update_used if isinstance(model, ChoosesUpdate) else "sb3"
        overlap = "beside" if cfg.overlap else "between"
        log.info("updates: %s, %d threads, %s environment steps", used, cfg.n_threads, overlap)


def say_directory(context: RunContext) -> None:
    """
    Say where the run is: who started it finds it again, however early it is killed.

    :param context: how the run was started
    """
    log.info("%s%s", SAID_DIRECTORY, shown(context.run_dir))


def task_of(cfg: DictConfig) -> str:
    """
    Say what learns, and where.

    :param cfg: the main config
    """
    return f"{cfg.algorithm_name} on {cfg.env.id}" if has_env(cfg) else str(cfg.algorithm_name)


def _tuning(context: RunContext) -> str:
    """Tell whether a preset is in use, and which: the default one is optional."""
    preset = context.choices.get("preset")
    if preset in (None, "none"):
        return "untuned: no preset"
    files = [folder / "preset" / f"{preset}.yaml" for folder in context.config_folders]
    if preset.endswith(".yaml") or any(file.exists() for file in files):
        return f"tuned: preset {preset}"
    return f"untuned: there is no preset {preset}"


def weights_digest(model: Learner) -> str:
    """
    Hash all weights of a model: equal digests mean bit-identical agents.

    :param model: any learner
    """
    digest = hashlib.sha256()
    for module, state in sorted(model.get_parameters().items()):
        for name, value in state.items():
            if isinstance(value, th.Tensor):
                digest.update(f"{module}.{name}".encode())
                digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def write_result(run_dir: Path, result: RunResult, model: Learner, seconds: float) -> None:
    """
    Write ``result.json``.

    :param run_dir: folder of the run
    :param result: of the run
    :param model: as training left it
    :param seconds: that this start of the run took
    """
    content = vars(result) | {
        "score": result.score,
        "status": result.status.value,
        "seconds": round(seconds, 1),
        "weights_sha256": weights_digest(model),
    }
    atomic_write_text(run_dir / RESULT, json.dumps(content, indent=2) + "\n")


def log_summary(
    cfg: DictConfig,
    run_dir: Path,
    result: RunResult,
    history: MetricHistory,
    tracker: Tracker,
    seconds: float,
) -> None:
    """
    Say how the run ended, and how to look at it or go on.

    :param cfg: the main config
    :param run_dir: folder of the run
    :param result: of the run
    :param history: of its evaluations
    :param tracker: of the run
    :param seconds: that this start of the run took
    """
    log.info(
        "%s after %d %s in %.0f s: %s",
        result.status.value,
        result.n_steps,
        result.unit,
        seconds,
        _best(cfg, history, result.unit),
    )
    spent = tracker.cost()
    log.info(
        "tracking took %.2f s in training and %.2f s beside it: %.1f %% of the run",
        spent["calls"],
        spent["sender"],
        100 * sum(spent.values()) / seconds,
    )
    if has_env(cfg):
        log.info("test:    %s", command("evaluate", f"run={shown(run_dir)}"))
    if result.status in (Status.INTERRUPTED, Status.FINISHED):
        more = [] if result.status is Status.INTERRUPTED else [f"n_epochs={2 * cfg.n_epochs}"]
        log.info("go on:   %s", command("train", f"restore={shown(run_dir)}", *more))
    page = tracker.page
    if page is not None:
        served = "" if cfg.tracking.uri.startswith("http") else f"   served by: {command('look')}"
        log.info("look at: %s%s", page, served)


def _best(cfg: DictConfig, history: MetricHistory, unit: Unit) -> str:
    criterion = _shown_criterion(cfg, history)
    key = criterion.column
    known = [epoch for epoch in history.epochs if key in epoch.values]
    if not known:
        return "not evaluated"
    best = max(known, key=lambda epoch: criterion.better(epoch.values[key]))
    latest, highest = (
        f"{epoch.values[key]:{'.2f' if key in EVAL_KEYS else '.4g'}}" for epoch in (known[-1], best)
    )
    return f"{key} {latest}, best {highest} at {unit.removesuffix('s')} {best.step}"


def _shown_criterion(cfg: DictConfig, history: MetricHistory) -> Criterion:
    """Name what a run is summed up by: success or return of episodes, else what it is to reach."""
    for key in (EVAL_SUCCESS_RATE, EVAL_RETURN):
        if history.column(key):
            return Criterion(key, Direction.maximize, None)
    return criteria(cfg)[0]
