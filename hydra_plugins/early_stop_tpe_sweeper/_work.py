"""A sweep at work: its workers, its limits, and how it is stopped."""

import logging
from pathlib import Path

from hydra.plugins.launcher import Launcher

from hydra_plugins.early_stop_tpe_sweeper._checkpoints import Checkpoints
from hydra_plugins.early_stop_tpe_sweeper._executor import Executor
from hydra_plugins.early_stop_tpe_sweeper._jobs import JobMaker
from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._page import LivePage
from hydra_plugins.early_stop_tpe_sweeper._stopping import interrupts, stop_file
from hydra_plugins.early_stop_tpe_sweeper._sweep import End, Limits, Sweep, worst_values
from hydra_plugins.early_stop_tpe_sweeper._table import Table
from hydra_plugins.early_stop_tpe_sweeper.config import Settings

log = logging.getLogger(__name__)

_WORST_SCORE = -1.0


def work(
    executor: Executor,
    n_workers: int,
    make_job: JobMaker,
    ledger: Ledger,
    settings: Settings,
    sweep_dir: Path,
    page: LivePage,
) -> tuple[End, float]:
    """
    Run trials until there is a reason to end.

    :param executor: runs jobs
    :param n_workers: jobs at once
    :param make_job: writes a trial's overrides
    :param ledger: books trials
    :param settings: of the sweeper
    :param sweep_dir: where the stop file lies
    :param page: shows the search
    :return: the reason, and the share of the time that workers were idle
    """
    checkpoints = Checkpoints(ledger, settings.race)
    # a task that is not ours may have files of any name
    removes = "restore" in make_job.config and not settings.keep_checkpoints
    with stop_file(sweep_dir) as path, Table(ledger, settings, path) as table:

        def show(sweep: Sweep) -> None:
            table.update(sweep)
            page.update(sweep)
            if removes:
                checkpoints.update(sweep)

        sweep = Sweep(
            ledger=ledger,
            race=settings.race,
            executor=executor,
            limits=limits_of(settings, n_workers),
            make_job=make_job,
            worst=worst_values(settings.directions, _WORST_SCORE),
            is_stopped=lambda: not path.exists(),
            on_change=show,
        )
        with interrupts(sweep):
            end = sweep.run()
    return end, sweep.workload.idle_share(sweep.executor.now())


def workers_of(launcher: Launcher, n_jobs: int) -> int:
    """
    Count the jobs that a launcher can run at once.

    :param launcher: of Hydra
    :param n_jobs: wanted
    """
    n_jobs = getattr(launcher, "n_slots", n_jobs)
    if type(launcher).__name__ == "BasicLauncher" and n_jobs > 1:
        log.warning("hydra/launcher=basic runs one job at a time, not n_jobs=%d", n_jobs)
        return 1
    return n_jobs


def runs_per_host(launcher: Launcher, n_workers: int) -> int:
    """
    Count the runs that share the cores that one of them sees.

    :param launcher: of Hydra; those that give each run cores of its own say so
    :param n_workers: jobs at once
    """
    return int(getattr(launcher, "n_runs_per_host", n_workers))


def limits_of(settings: Settings, n_workers: int) -> Limits:
    """
    Read when a sweep ends.

    :param settings: of the sweeper
    :param n_workers: jobs at once
    """
    return Limits(
        n_trials=settings.n_trials,
        n_workers=n_workers,
        stop_when_verified=settings.stop_when_verified,
        max_duration_seconds=60 * settings.max_duration_minutes,
        max_failure_rate=settings.max_failure_rate,
        max_retries=settings.max_retries,
        max_losses=settings.max_losses,
        heartbeat_seconds=settings.heartbeat_seconds,
    )
