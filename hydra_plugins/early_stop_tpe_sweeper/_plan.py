"""What a sweep will cost, said before it starts."""

import logging
import shutil
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, read_write

from hydra_plugins.early_stop_tpe_sweeper._rules import Race
from hydra_plugins.early_stop_tpe_sweeper._search_space import SearchSpace
from interface.errors import UserError

log = logging.getLogger(__name__)

# What our sweeps took: see the README of hydra_plugins.
_SCREENING_SHARE = 0.3
_VERIFICATION_SHARE = 0.2


@dataclass(frozen=True)
class Cost:
    """
    What a sweep costs.

    :param n_trials: configurations to screen
    :param budget: epochs of a full run
    :param n_fresh: runs on fresh seeds of one contender at most
    :param steps_per_epoch: environment steps
    :param seconds_per_epoch: of one of ``n_workers`` runs at once, evaluation included
    :param seconds_per_run: before the first step
    :param n_workers: runs at once
    """

    n_trials: int
    budget: int
    n_fresh: int
    steps_per_epoch: int
    seconds_per_epoch: float
    seconds_per_run: float
    n_workers: int

    def duration(self, n_epochs: float, n_runs: float) -> str:
        """
        Say how long that takes.

        :param n_epochs: of all runs together
        :param n_runs: how many
        """
        seconds = n_epochs * self.seconds_per_epoch + n_runs * self.seconds_per_run
        hours = seconds / self.n_workers / 3600
        return f"{60 * hours:.1f} min" if hours < 2 else f"{hours:.1f} h"

    def lines(self) -> list[str]:
        """Say what to expect, and what it can cost at most."""
        full = self.n_trials * self.budget
        expected = full * (_SCREENING_SHARE + _VERIFICATION_SHARE * _SCREENING_SHARE)
        most = full + self.n_trials * self.n_fresh * self.budget
        runs = self.n_trials * (1 + _VERIFICATION_SHARE)
        return [
            f"{self.n_trials} trials of at most {self.budget} epochs of {self.steps_per_epoch} "
            f"steps, {self.n_workers} at once; an epoch takes {self.seconds_per_epoch:.1f} s here",
            f"expected: {expected * self.steps_per_epoch:,.0f} steps in "
            f"{self.duration(expected, runs)}: {_SCREENING_SHARE:.0%} of the budget for "
            f"screening and {_VERIFICATION_SHARE:.0%} of that again for fresh seeds, as sweeps "
            f"have taken",
            f"without early stopping, screening alone: {full * self.steps_per_epoch:,} steps in "
            f"{self.duration(full, self.n_trials)}",
            f"at most, if every trial became a contender and was raced to the end: "
            f"{self.duration(most, self.n_trials * (1 + self.n_fresh))}",
        ]


def show_plan(
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    space: SearchSpace,
    settings: Mapping[str, Any],
    race: Race,
) -> None:
    """
    Measure one epoch on all workers and say what the sweep would cost.

    :param context: of Hydra
    :param task_function: trains
    :param config: of the sweep
    :param space: to search
    :param settings: of the sweeper
    :param race: says how many fresh runs there may be
    :raises UserError: if the task has no epochs
    """
    base = context.config_loader.load_sweep_config(config, space.fixed)
    if "n_epochs" not in base:
        raise UserError("hydra.sweeper.plan needs a task with n_epochs and eval_after_n_steps")
    folder = tempfile.mkdtemp(prefix="subgoal-plan-")
    elsewhere = OmegaConf.masked_copy(config, list(config))
    with read_write(elsewhere.hydra):
        elsewhere.hydra.sweep.dir = folder
    launcher = Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=task_function, config=elsewhere
    )
    log.info("measuring an epoch on %d workers", settings["n_jobs"])
    try:
        _probe_seconds(launcher, space, settings["n_jobs"], n_epochs=1)  # starts the workers
        one = _probe_seconds(launcher, space, settings["n_jobs"], n_epochs=1)
        two = _probe_seconds(launcher, space, settings["n_jobs"], n_epochs=2)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    cost = Cost(
        n_trials=settings["n_trials"],
        budget=base.n_epochs,
        n_fresh=race.n_allowed,
        steps_per_epoch=base.eval_after_n_steps,
        seconds_per_epoch=two - one,
        seconds_per_run=max(0.0, 2 * one - two),
        n_workers=settings["n_jobs"],
    )
    for line in cost.lines():
        log.info("%s", line)


def _probe_seconds(launcher: Launcher, space: SearchSpace, n_jobs: int, *, n_epochs: int) -> float:
    overrides = [
        *space.fixed,
        f"n_epochs={n_epochs}",
        f"n_parallel_runs={n_jobs}",
        "early_stop_threshold=1000000",
        "tracking=none",
        "hydra/job_logging=file",
    ]

    def launch(index: int) -> None:
        subdir = f"hydra.sweep.subdir={n_epochs}-{index}"
        (result,) = launcher.launch([[*overrides, subdir]], initial_job_idx=index)
        _ = result.return_value  # raises what the run raised

    start = time.monotonic()
    with ThreadPoolExecutor(n_jobs) as pool:
        list(pool.map(launch, range(n_jobs)))
    return time.monotonic() - start
