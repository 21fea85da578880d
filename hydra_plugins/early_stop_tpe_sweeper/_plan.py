"""What a sweep will cost, said before it starts."""

import logging
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, read_write

from hydra_plugins.early_stop_tpe_sweeper._search_space import SearchSpace
from hydra_plugins.early_stop_tpe_sweeper._work import workers_of
from hydra_plugins.early_stop_tpe_sweeper.config import Settings
from interface.errors import UserError
from interface.learner import Unit
from interface.resolvers import quoted
from interface.run_monitor import NullMonitor, StopReason

log = logging.getLogger(__name__)

# What our sweeps took: see the README of hydra_plugins.
_SCREENING_SHARE = 0.3
_VERIFICATION_SHARE = 0.2
_N_EPOCHS = 2  # the first one, which fills buffers, is not counted


@dataclass(frozen=True)
class Cost:
    """
    What a sweep costs.

    :param n_trials: configurations to screen
    :param budget: epochs of a full run
    :param n_fresh: runs on fresh seeds of one contender at most
    :param steps_per_epoch: in ``unit``
    :param seconds_per_epoch: of one of ``n_workers`` runs at once, evaluation included
    :param seconds_per_fresh_epoch: the same of a run on a fresh seed, which is tested longer
    :param seconds_per_run: before the first step
    :param n_workers: runs at once
    :param unit: that the learner counts
    """

    n_trials: int
    budget: int
    n_fresh: int
    steps_per_epoch: int
    seconds_per_epoch: float
    seconds_per_fresh_epoch: float
    seconds_per_run: float
    n_workers: int
    unit: Unit

    def duration(self, n_epochs: float, n_fresh_epochs: float, n_runs: float) -> str:
        """
        Say how long that takes.

        :param n_epochs: of all screening runs together
        :param n_fresh_epochs: of all runs on fresh seeds together
        :param n_runs: how many
        """
        seconds = n_epochs * self.seconds_per_epoch + n_runs * self.seconds_per_run
        seconds += n_fresh_epochs * self.seconds_per_fresh_epoch
        hours = seconds / self.n_workers / 3600
        return f"{60 * hours:.1f} min" if hours < 2 else f"{hours:.1f} h"

    def lines(self) -> list[str]:
        """Say what to expect, and what it can cost at most."""
        full = self.n_trials * self.budget
        screening = _SCREENING_SHARE * full
        fresh = _VERIFICATION_SHARE * screening
        runs = self.n_trials * (1 + _VERIFICATION_SHARE)
        most_fresh = self.n_trials * self.n_fresh
        expected = self.duration(screening, fresh, runs)
        alone = self.duration(full, 0, self.n_trials)
        most = self.duration(full, most_fresh * self.budget, self.n_trials + most_fresh)
        return [
            f"{self.n_trials} trials of at most {self.budget} epochs of {self.steps_per_epoch} "
            f"{self.unit}, {self.n_workers} at once; an epoch takes {self.seconds_per_epoch:.1f} s "
            f"here, {self.seconds_per_fresh_epoch:.1f} s on a fresh seed",
            f"expected: {(screening + fresh) * self.steps_per_epoch:,.0f} {self.unit} in "
            f"{expected}: {_SCREENING_SHARE:.0%} of the budget for screening and "
            f"{_VERIFICATION_SHARE:.0%} of that again for fresh seeds, as sweeps have taken",
            f"without early stopping, screening alone: {full * self.steps_per_epoch:,} "
            f"{self.unit} in {alone}",
            f"at most, if every trial became a contender and was raced to the end: {most}",
        ]


class Stopwatch(NullMonitor):
    """
    Notes when a run begins and when it was evaluated; a ``RunMonitor``.

    :param file: to note it in
    """

    def __init__(self, file: str) -> None:
        self._file = Path(file)
        self._started = time.monotonic()
        self.report(0, {})

    def report(self, epoch: int, metrics: Mapping[str, float]) -> StopReason | None:  # noqa: ARG002
        """Note the time."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{epoch} {time.monotonic() - self._started}\n")
        return None


def show_plan(
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    space: SearchSpace,
    settings: Settings,
) -> None:
    """
    Measure one epoch on all workers and say what the sweep would cost.

    :param context: of Hydra
    :param task_function: trains
    :param config: of the sweep
    :param space: to search
    :param settings: of the sweeper
    :raises UserError: if the task has no epochs
    """
    base = context.config_loader.load_sweep_config(config, space.fixed)
    if "n_epochs" not in base:
        raise UserError("hydra.sweeper.plan needs a task with n_epochs and eval_after_n_steps")
    folder = Path(tempfile.mkdtemp(prefix="subgoal-plan-"))
    elsewhere = OmegaConf.masked_copy(config, list(config))
    with read_write(elsewhere.hydra):
        elsewhere.hydra.sweep.dir = str(folder)
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=task_function, config=elsewhere
    )
    n_workers = workers_of(launcher, settings.n_jobs)
    log.info("measuring an epoch on %d workers", n_workers)
    fixed = [*space.fixed, *_apart(base, folder), *known(base, f"n_parallel_runs={n_workers}")]
    tested_longer = known(base, f"n_test_rollouts={settings.n_verification_rollouts}")
    try:
        # the first one also starts the workers; an epoch is measured within a run, without that
        fresh = probe(launcher, folder / "fresh", [*fixed, *tested_longer], n_workers, _N_EPOCHS)
        screening = probe(launcher, folder / "screening", fixed, n_workers, _N_EPOCHS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    cost = Cost(
        n_trials=settings.n_trials,
        budget=base.n_epochs,
        n_fresh=settings.max_trials_per_param,
        steps_per_epoch=base.eval_after_n_steps,
        seconds_per_epoch=screening.per_epoch,
        seconds_per_fresh_epoch=fresh.per_epoch,
        seconds_per_run=screening.per_run,
        n_workers=n_workers,
        unit=screening.unit,
    )
    for line in cost.lines():
        log.info("%s", line)


def _apart(config: DictConfig, folder: Path) -> list[str]:
    """Let the runs of a plan leave nothing in the user's data and stores."""
    return known(config, "tracking=none", f"data_dir={quoted(str(folder))}")


def known(config: DictConfig, *overrides: str) -> list[str]:
    """
    Keep the overrides of keys that a task has: one that is not ours lacks some.

    :param config: of a trial
    :param overrides: each of a key at the top
    """
    return [text for text in overrides if text.partition("=")[0] in config]


@dataclass(frozen=True)
class Seconds:
    """
    What runs took, at least 0.

    :param per_epoch: evaluation included
    :param per_run: beside its epochs
    :param unit: that the learner counts
    """

    per_epoch: float
    per_run: float
    unit: Unit


def probe(
    launcher: Launcher, folder: Path, fixed: Sequence[str], n_workers: int, n_epochs: int
) -> Seconds:
    """
    Measure runs, one on each worker at once.

    :param launcher: of Hydra
    :param folder: for the runs
    :param fixed: overrides of every trial
    :param n_workers: runs at once
    :param n_epochs: of each
    """
    folder.mkdir()
    target = f"{Stopwatch.__module__}.{Stopwatch.__name__}"
    overrides = [
        *fixed,
        f"n_epochs={n_epochs}",
        f"early_stop_last_n={n_epochs + 1}",  # a run that is never good enough
        "hydra/job_logging=file",
        f"hydra.sweep.dir={quoted(str(folder))}",
        f"run_monitor._target_={target}",
    ]

    def launch(index: int) -> tuple[float, list[tuple[int, float]], Unit]:
        times = folder / f"{index}.times"
        own = [f"+run_monitor.file={quoted(str(times))}", f"hydra.sweep.subdir={index}"]
        started = time.monotonic()
        (result,) = launcher.launch([[*overrides, *own]], initial_job_idx=index)
        returned = result.return_value  # raises what the run raised
        unit: Unit = getattr(returned, "unit", "steps")  # a task of others returns numbers
        return time.monotonic() - started, _noted(times), unit

    with ThreadPoolExecutor(n_workers) as pool:
        measured = list(pool.map(launch, range(n_workers)))
    epochs = [seconds_per_epoch(times, n_epochs, total) for total, times, _ in measured]
    per_epoch = statistics.mean(epochs)
    per_run = statistics.mean(total for total, *_ in measured) - n_epochs * per_epoch
    return Seconds(per_epoch, max(0.0, per_run), measured[0][-1])


def _noted(times: Path) -> list[tuple[int, float]]:
    if not times.exists():  # a run on another host
        return []
    pairs = [line.split() for line in times.read_text(encoding="utf-8").splitlines()]
    return [(int(epoch), float(seconds)) for epoch, seconds in pairs]


def seconds_per_epoch(times: Sequence[tuple[int, float]], n_epochs: int, total: float) -> float:
    """
    Measure an epoch within one run; the first one, which fills buffers, only if need be.

    :param times: epochs and when they ended, the first the run's begin
    :param n_epochs: of the run
    :param total: seconds of the run
    """
    ended = times[1:] if len(times) > 2 else times
    if len(ended) < 2:
        return total / n_epochs
    (first, began), (last, over) = ended[0], ended[-1]
    return (over - began) / max(1, last - first)
