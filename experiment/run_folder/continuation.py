"""A run that goes on: what its folder holds is made to agree with its checkpoint."""

import logging
from pathlib import Path

from experiment.run_folder.checkpoint import read_meta, save_checkpoint
from experiment.run_folder.metric_history import MetricHistory, read_csv
from experiment.run_folder.run_directory import BEST, RESULT
from experiment.run_folder.story import SEARCH, starts_of
from interface.errors import UserError
from interface.learner import Learner, progress_of
from interface.run_files import EVALUATIONS, LAST

log = logging.getLogger(__name__)


def has_checkpoint(run_dir: Path) -> bool:
    """
    Tell whether a run can go on where it was; one stopped before it first saved starts again.

    :param run_dir: folder of the run
    :raises UserError: if the run has ended, so that its checkpoint must have been there
    """
    if (run_dir / LAST).exists():
        return True
    if (run_dir / RESULT).exists():
        raise UserError(missing_checkpoint(run_dir / LAST))
    log.info("the run was stopped before its first checkpoint, so it starts again")
    return False


def missing_checkpoint(path: Path) -> str:
    """
    Say that there is no checkpoint, and why if a search has removed it.

    :param path: of the checkpoint
    """
    said, run_dir = f"there is no checkpoint {path}", path.parent
    has_ended = path.name == LAST and (run_dir / RESULT).exists()
    if not has_ended or not any(start.started_by == SEARCH for start in starts_of(run_dir)):
        return said
    return (
        f"{said}: a search keeps that of its winner only (of all: hydra.sweeper.keep_checkpoints="
        f"true); evaluate.py tests the best agent of the run, rerun.py trains it again"
    )


def history_until(run_dir: Path, step: int) -> MetricHistory:
    """
    Read the evaluations that a checkpoint knows of; later ones are made again.

    :param run_dir: folder of the run
    :param step: progress at the checkpoint
    """
    path = run_dir / EVALUATIONS
    epochs = read_csv(path).epochs if path.exists() else []
    return MetricHistory(epoch for epoch in epochs if epoch.step <= step)


def go_back(run_dir: Path, model: Learner, history: MetricHistory, best: int | None) -> None:
    """
    Undo what a run wrote after its checkpoint; doing so twice changes nothing.

    :param run_dir: folder of the run
    :param model: as the checkpoint left it
    :param history: until the checkpoint
    :param best: index of the best epoch in it, None if it is empty
    """
    (run_dir / RESULT).unlink(missing_ok=True)
    history.write_csv(run_dir / EVALUATIONS)
    if best is None:
        return
    step = history.epochs[best].step
    path = run_dir / BEST
    if step == progress_of(model) and not (path.exists() and read_meta(path).step == step):
        save_checkpoint(path, model, history.last_epoch, resumable=False)  # killed before it was
