"""Jobs in a queue of submitit's: submit, wait, cancel."""

import logging
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any

from submitit.core.core import Job, PicklingExecutor
from submitit.core.utils import FailedJobError, UncompletedJobError
from submitit.local.local import LocalExecutor
from submitit.slurm.slurm import SlurmExecutor, SlurmInfoWatcher, SlurmJob

from interface.errors import UserError

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LOOKS = 10
_SECONDS_BETWEEN_TRIES = 10
# What sbatch says when the same job may be accepted later.
_LATER = ("Unable to contact", "Socket timed out", "temporarily", "MaxSubmitJob")
_ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "TIMEOUT",
}


class SqueueWatcher(SlurmInfoWatcher):
    """
    Tells which jobs ended by one ``squeue`` for all of them.

    Submitit asks ``sacct``, which knows nothing where SLURM keeps no accounts: there, a job that
    was killed would be waited for for ever.
    """

    def __init__(self) -> None:
        super().__init__(delay_s=_SECONDS_BETWEEN_LOOKS)
        self._lock = threading.Lock()
        self._asked: set[str] = set()
        self._told = {"None", "Priority", "Resources"}

    def update(self) -> None:
        """Look; threads take turns."""
        with self._lock:
            super().update()

    def _make_command(self) -> list[str] | None:
        self._asked = self._registered - self._finished  # later ones may be missing in the answer
        command = ["squeue", "--me", "--noheader", "--states=all", "--format=%A|%T|%r"]
        return command if self._asked else None

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        """
        Read the answer; what is missing there has ended and is forgotten.

        :param string: a line for each job
        """
        text = string if isinstance(string, str) else string.decode()
        states = dict.fromkeys(self._asked, "COMPLETED")
        for line in text.splitlines():
            job_id, state, reason = line.split("|", 2)
            if job_id in states:
                states[job_id] = _state_of(state)
                self._tell(job_id, state, reason)
        return {job_id: {"State": state} for job_id, state in states.items()}

    def _tell(self, job_id: str, state: str, reason: str) -> None:
        """Say once why jobs do not start, unless they only wait for their turn."""
        if state == "PENDING" and reason not in self._told:
            self._told.add(reason)
            log.warning("SLURM keeps job %s waiting: %s", job_id, reason)


def _state_of(state: str) -> str:
    """Translate a state: submitit takes those that it does not know for an end."""
    if state not in _ENDED:
        return "RUNNING"
    return "CANCELLED" if state == "PREEMPTED" else state


class WatchedSlurmJob(SlurmJob[Any]):
    """A job that ``squeue`` is asked about."""

    watcher = SqueueWatcher()


class WatchedSlurmExecutor(SlurmExecutor):
    """Submits jobs that ``squeue`` is asked about."""

    job_class = WatchedSlurmJob


def slurm_executor(params: Mapping[str, Any]) -> SlurmExecutor:
    """
    Make what submits to SLURM.

    :param params: as hydra-submitit-launcher names them
    """
    return _configured(WatchedSlurmExecutor, params)


def local_executor(params: Mapping[str, Any]) -> LocalExecutor:
    """
    Make what starts jobs on this host.

    :param params: as hydra-submitit-launcher names them
    """
    return _configured(LocalExecutor, params)


def _configured(kind: type[Any], params: Mapping[str, Any]) -> Any:
    given = {key: value for key, value in params.items() if value is not None}
    # The study queues a trial again; submitit would start it anew, without its checkpoint.
    given.pop("max_num_timeout", None)
    executor = kind(
        given.pop("submitit_folder"), max_num_timeout=0, python=given.pop("python", None)
    )
    executor.update_parameters(**executor._convert_parameters(given))
    return executor


class JobQueue:
    """
    Submits jobs and waits for them, from any number of threads.

    :param executor: of submitit
    """

    def __init__(self, executor: PicklingExecutor) -> None:
        self._executor = executor
        self._lock = threading.Lock()
        self._jobs: list[Job[Any]] = []
        self._closed = threading.Event()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Job[Any]:
        """
        Submit a job, and again as long as the queue is full or does not answer.

        :param function: to call
        :param arguments: of it
        :raises UserError: if the queue refuses such jobs
        """
        while not self._closed.is_set():
            try:
                with self._lock:
                    job = self._executor.submit(function, *arguments)
                    self._jobs = [one for one in self._jobs if not one.done()] + [job]
                return job
            except FailedJobError as error:
                if not any(text in str(error) for text in _LATER):
                    raise UserError(f"SLURM refuses the job: {last_line(str(error))}") from error
                log.warning("SLURM takes no job now, trying again: %s", last_line(str(error)))
            self._closed.wait(_SECONDS_BETWEEN_TRIES)
        raise UncompletedJobError("the job was cancelled before it was submitted")

    def result(self, job: Job[Any]) -> Any:
        """
        Wait for a job.

        :param job: submitted
        :return: what the function returned
        :raises UncompletedJobError: if it ended without a result
        """
        return job.result()

    def cancel(self, *, waiting_only: bool) -> None:
        """
        Cancel jobs; nothing is submitted any more.

        :param waiting_only: leave those alone that run
        """
        self._closed.set()
        with self._lock:
            jobs = [one for one in self._jobs if not one.done()]
        slurm = [one.job_id for one in jobs if isinstance(one, SlurmJob)]
        if slurm:
            states = ["--state=PENDING"] if waiting_only else []
            subprocess.run(["scancel", *states, *slurm], check=False)
        if not waiting_only:
            for job in jobs:
                if not isinstance(job, SlurmJob):
                    job.cancel()


def last_line(text: str) -> str:
    """
    Keep the last line of a program's complaint, without the program's name.

    :param text: at least one line
    """
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].split("error: ")[-1].strip() if lines else "no reason given"
