"""Workers for jobs: threads that each wait for Hydra's launcher, one job at a time."""

import contextlib
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from hydra.plugins.launcher import Launcher
from optuna.trial import Trial


@dataclass(frozen=True, eq=False)
class Job:
    """
    A trial on its way.

    :param trial: running
    :param index: unique number for the launcher
    :param overrides: of the trial's config
    :param is_fresh: whether it is a contender's run on a fresh seed
    """

    trial: Trial
    index: int
    overrides: list[str]
    is_fresh: bool


class Executor(Protocol):
    """Runs jobs. A replay brings its own, with a clock of its own."""

    def submit(self, job: Job) -> None:
        """
        Start a job; there is a free worker.

        :param job: to start
        """

    def finished(self, timeout_seconds: float) -> list[tuple[Job, Any, float]]:
        """
        Wait for jobs to end.

        :param timeout_seconds: how long at most
        :return: each with what it returned or the exception that it raised, and when it ended
        """

    def cancel_waiting(self) -> None:
        """Cancel what was submitted and did not begin; those jobs end by an exception."""

    def now(self) -> float:
        """Tell the time in seconds."""


@runtime_checkable
class Cancels(Protocol):
    """A launcher with a queue: its jobs need not begin at once, and do not end with the sweep."""

    def cancel(self, *, waiting_only: bool) -> None:
        """
        Cancel jobs; nothing is submitted any more.

        :param waiting_only: leave those alone that run
        """


def remove_empty_joblib_folders(parent: Path = Path("/dev/shm")) -> None:
    """
    Remove what joblib leaves for each launch until the sweep ends, which may be thousands of them.

    Joblib makes a folder again where it needs one, so one that another thread has just begun with
    may go, too.

    :param parent: where joblib keeps arrays for its processes
    """
    for folder in parent.glob(f"joblib_memmapping_folder_{os.getpid()}_*"):
        with contextlib.suppress(OSError):  # in use, or gone already
            folder.rmdir()


class LauncherExecutor:
    """
    Runs jobs through one of Hydra's launchers.

    :param launcher: set up
    :param n_workers: jobs at once
    """

    def __init__(self, launcher: Launcher, n_workers: int) -> None:
        self._launcher = launcher
        self._threads = ThreadPoolExecutor(n_workers, thread_name_prefix="launcher")
        self._jobs: dict[Future[tuple[Any, float]], Job] = {}

    def submit(self, job: Job) -> None:
        """
        Start a job.

        :param job: to start
        """
        self._jobs[self._threads.submit(self._launch, job.overrides, job.index)] = job

    def _launch(self, overrides: Sequence[str], index: int) -> tuple[Any, float]:
        console = logging.getLogger().handlers[:]
        try:
            (result,) = self._launcher.launch([overrides], initial_job_idx=index)
            return result._return_value, self.now()  # of a failed job: what it raised
        except BaseException as error:  # noqa: BLE001 (the sweep judges what ended a job)
            return error, self.now()
        finally:
            # a launcher that runs one job at a time does so here, and the run logs to its own file
            logging.getLogger().handlers[:] = console
            remove_empty_joblib_folders()

    def finished(self, timeout_seconds: float) -> list[tuple[Job, Any, float]]:
        """
        Wait for jobs to end.

        :param timeout_seconds: how long at most
        :return: each with what it returned or the exception that it raised, and when it ended
        """
        done, _ = wait(self._jobs, timeout_seconds, FIRST_COMPLETED)
        return [(self._jobs.pop(future), *future.result()) for future in done]

    def cancel_waiting(self) -> None:
        """Cancel what was submitted and did not begin."""
        self._cancel(waiting_only=True)

    def _cancel(self, *, waiting_only: bool) -> None:
        if isinstance(self._launcher, Cancels):
            self._launcher.cancel(waiting_only=waiting_only)

    def __enter__(self) -> "LauncherExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        """Leave nothing behind, whatever ended the sweep."""
        self._cancel(waiting_only=False)

    def now(self) -> float:
        """Tell the time in seconds."""
        return time.monotonic()
