"""One job as processes of this host: start, watch, end, and say how it ended."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict

from experiment.regression.matrix import Job, Outcome
from experiment.run_folder.story import MATRIX, STARTED_BY
from interface.resolvers import REPOSITORY
from interface.result import INTERRUPTED_EXIT
from interface.run_files import LAST
from util.atomic_write import atomic_write_text
from util.parent import ends_with_its_parent
from util.process_group import signal_group
from util.slots import Slot

_GRACE_SECONDS = 30.0
# a job that somebody ended goes on when the matrix is started again
_INTERRUPTED = (INTERRUPTED_EXIT, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP)


class RunningJob:
    """
    A job on a slot.

    A job that was begun before and has a checkpoint goes on from it. One that something kills with
    -9 is started once more; any other end is its own.

    :param job: what to run
    :param slot: where
    """

    def __init__(self, job: Job, slot: Slot) -> None:
        self.job, self.slot = job, slot
        self._begun = time.monotonic()
        self._killed = False
        self._commands = list(_what_is_left(job))
        self._process = self._start()

    def outcome(self) -> Outcome | None:
        """Look at the job: None while it runs; starts its next command when one has ended."""
        seconds = time.monotonic() - self._begun
        exit_code = self._process.poll()
        if exit_code is None:
            if seconds < self.job.timeout_minutes * 60:
                return None
            self.end()
            return self._ended(Outcome(self._process.returncode, seconds, timed_out=True))
        if exit_code == -signal.SIGKILL and not self._killed:
            self._killed = True
            self._commands = list(_what_is_left(self.job))
        elif exit_code != 0 or len(self._commands) == 1:
            return self._ended(Outcome(exit_code, seconds))
        else:
            self._commands.pop(0)
        self._process = self._start()
        return None

    def end(self) -> None:
        """End the job: it may save, then it must go."""
        signal_group(self._process, signal.SIGTERM)
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            signal_group(self._process, signal.SIGKILL)
            self._process.wait()

    @property
    def seconds(self) -> float:
        """How long the job has been running."""
        return time.monotonic() - self._begun

    def _start(self) -> "subprocess.Popen[bytes]":
        self.job.log.parent.mkdir(parents=True, exist_ok=True)
        words = list(self._commands[0])
        if words[0] == "python":
            words[0] = sys.executable
        with self.job.log.open("ab") as log:
            return subprocess.Popen(
                words,
                cwd=REPOSITORY,
                env=os.environ | self.slot.environment() | {STARTED_BY: MATRIX},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=ends_with_its_parent(self.slot.pin),
            )

    def _ended(self, outcome: Outcome) -> Outcome:
        atomic_write_text(self.job.outcome_file, json.dumps(asdict(outcome)))
        return outcome


def earlier_outcome(job: Job) -> Outcome | None:
    """
    Read how a job ended in an earlier run of the matrix, None if it did not or was interrupted.

    :param job: the job
    """
    if not job.outcome_file.exists():
        return None
    outcome = Outcome(**json.loads(job.outcome_file.read_text(encoding="utf-8")))
    return outcome if outcome.timed_out or outcome.exit_code not in _INTERRUPTED else None


def _what_is_left(job: Job) -> tuple[tuple[str, ...], ...]:
    """Go on from a checkpoint of the last command; anything before that is begun anew."""
    if len(job.commands) == 1 and (job.folder / LAST).exists():
        n_epochs = [word for word in job.commands[0] if word.startswith("n_epochs=")]
        return (("python", "experiment/train.py", f"restore={job.folder}", *n_epochs),)
    shutil.rmtree(job.folder, ignore_errors=True)
    return job.commands
