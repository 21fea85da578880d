"""
Several trials at once in one allocation, and the next one as soon as one ends.

The sweep puts trials as files into a folder; each task of each allocation takes one after the other
by renaming it, which only one of them can, and lays its result beside it. An allocation that has
had none for a while ends.

    3.job -> 3.taken-<job id> -> 3.result
"""

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import cloudpickle
from hydra.core.utils import JobReturn, JobStatus
from submitit.core.core import Job
from submitit.core.utils import UncompletedJobError

from hydra_plugins.subgoal_launchers._queue import JobQueue
from interface.result import Status
from util.atomic_write import atomic_path

_POLL_SECONDS = 0.5


class Pack:
    """
    Lends the tasks of allocations to jobs; stands in for a ``JobQueue``.

    :param queue: of allocations, each of so many tasks
    :param folder: that all hosts see
    :param n_tasks: jobs at once in one allocation
    :param idle_seconds: after which an allocation without a job ends
    """

    def __init__(self, queue: JobQueue, folder: Path, n_tasks: int, idle_seconds: float) -> None:
        self._queue, self._folder = queue, folder
        self._n_tasks, self._idle_seconds = n_tasks, idle_seconds
        self._numbers = itertools.count()
        self._open: set[int] = set()
        self._allocations: dict[str, Job[Any]] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> int:
        """
        Lay down a job, and ask for an allocation if those that there are have no room.

        :param function: to call
        :param arguments: of it
        :return: its number
        """
        number = next(self._numbers)
        with atomic_path(self._folder / f"{number}.job") as path:
            path.write_bytes(cloudpickle.dumps((function, arguments)))
        self._open.add(number)
        self._ensure_room()
        return number

    def _ensure_room(self) -> None:
        with self._lock:
            living = {key: job for key, job in self._allocations.items() if not job.done()}
            self._allocations = living
            if len(living) * self._n_tasks < len(self._open):
                job = self._queue.submit(serve, self._folder, self._idle_seconds)
                self._allocations[job.job_id] = job

    def result(self, number: int) -> Any:
        """
        Wait for a job.

        :param number: of the job
        :return: what the function returned
        :raises UncompletedJobError: if it ended without a result
        """
        try:
            while not (self._folder / f"{number}.result").exists():
                if not self._may_come(number):
                    raise UncompletedJobError(f"job {number} ended without a result")
                time.sleep(_POLL_SECONDS)
            return cloudpickle.loads((self._folder / f"{number}.result").read_bytes())
        finally:
            self._open.discard(number)

    def _may_come(self, number: int) -> bool:
        if (self._folder / f"{number}.job").exists():
            self._ensure_room()
            return True
        for taken in self._folder.glob(f"{number}.taken-*"):
            job = self._allocations.get(taken.name.partition("-")[2])
            if job is not None and not job.done():
                return True
        return (self._folder / f"{number}.result").exists()  # laid down in this moment

    def cancel(self, *, waiting_only: bool) -> None:
        """
        Cancel jobs; nothing is submitted any more.

        :param waiting_only: leave those alone that run
        """
        for path in self._folder.glob("*.job"):
            path.unlink(missing_ok=True)
        self._queue.cancel(waiting_only=waiting_only)


def serve(folder: Path, idle_seconds: float) -> None:
    """
    Work off jobs, in one task of an allocation.

    :param folder: of the jobs
    :param idle_seconds: after which the allocation ends if none of its tasks has a job
    """
    signal.signal(signal.SIGTERM, _end)
    with contextlib.suppress(UncompletedJobError):  # an error would end the other tasks, too
        _serve(folder, f"taken-{os.environ['SLURM_JOB_ID']}", idle_seconds)


def _serve(folder: Path, mine: str, idle_seconds: float) -> None:
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < idle_seconds:
        taken = _take(folder, mine)
        if taken is not None and not _work_off(taken):
            return
        if taken is not None or any(folder.glob(f"*.{mine}")):
            idle_since = time.monotonic()
        else:
            time.sleep(_POLL_SECONDS)


def _end(number: int, _: FrameType | None) -> None:
    """End a run that does not handle signals yet; while it trains, it does so itself."""
    raise UncompletedJobError(f"the allocation got {signal.Signals(number).name}")


def _take(folder: Path, mine: str) -> Path | None:
    for job in sorted(folder.glob("*.job"), key=lambda path: int(path.stem)):
        try:
            return job.rename(job.with_suffix(f".{mine}"))
        except FileNotFoundError:
            continue  # another task was quicker
    return None


def _work_off(taken: Path) -> bool:
    """Run a job and say whether the allocation goes on."""
    function, arguments = cloudpickle.loads(taken.read_bytes())
    result: JobReturn = function(*arguments)
    with atomic_path(taken.with_suffix(".result")) as path:
        path.write_bytes(cloudpickle.dumps(result))
    taken.unlink()
    return not _was_interrupted(result)


def _was_interrupted(result: JobReturn) -> bool:
    value = result._return_value
    if result.status is JobStatus.FAILED:
        return isinstance(value, UncompletedJobError)
    return getattr(value, "status", None) is Status.INTERRUPTED
