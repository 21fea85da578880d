"""The sweep itself: keep every worker busy, book what ends, stop for a reason."""

import logging
import math
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial

from hydra_plugins.early_stop_tpe_sweeper._executor import Executor, Job
from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._outcome import Outcome, failed, outcome_of
from hydra_plugins.early_stop_tpe_sweeper._records import RETRIES
from hydra_plugins.early_stop_tpe_sweeper._rules import Race
from interface.errors import UserError
from interface.result import Status

log = logging.getLogger(__name__)

_LOSSES = "losses"
_LOST_WORKER = ("TerminatedWorkerError", "UncompletedJobError", "FailedJobError")

_MANY_REFUSALS = 3


class End(Enum):
    """Why a sweep ended."""

    N_TRIALS = "all trials are done"
    VERIFIED = "a configuration is verified"
    STOP_FILE = "the stop file was deleted"
    DURATION = "the time is up"
    INTERRUPTED = "interrupted"
    FAILURES = "too many trials failed"
    REFUSED = "all trials were refused"


@dataclass(frozen=True)
class Limits:
    """
    When a sweep ends, and what it bears.

    :param n_trials: screened configurations in all
    :param n_workers: jobs at once
    :param stop_when_verified: end as soon as one configuration is verified
    :param max_duration_seconds: then running trials end at their next evaluation
    :param max_failure_rate: share of ``n_trials`` that may fail, in [0, 1]
    :param max_retries: of a trial that raised
    :param max_losses: of a trial whose worker died each time at the same epoch
    :param heartbeat_seconds: between two signs of life
    """

    n_trials: int
    n_workers: int
    stop_when_verified: bool
    max_duration_seconds: float
    max_failure_rate: float
    max_retries: int
    max_losses: int
    heartbeat_seconds: float


@dataclass
class Workload:
    """
    How busy the workers were while trials remained.

    :param n_workers: there are
    :param started: when the sweep began
    :param until: when the last trial had started; None as long as trials remain
    :param jobs: when each job started and ended
    """

    n_workers: int
    started: float
    until: float | None = None
    jobs: list[tuple[float, float]] = field(default_factory=list)

    def idle_share(self, now: float) -> float:
        """
        Share of the workers' time without a job, from the first trial's start on, in [0, 1].

        :param now: by the executor's clock
        """
        until = now if self.until is None else self.until
        total = self.n_workers * (until - self.started)
        busy = sum(max(0.0, min(end, until) - start) for start, end in self.jobs)
        return max(0.0, 1 - busy / total) if total > 0 else 0.0


@dataclass
class Sweep:
    """
    Runs a study to its end.

    :param ledger: books trials
    :param race: tells contenders' verdicts
    :param executor: runs jobs
    :param limits: when to end
    :param make_job: writes a trial's overrides; raises if its config does not compose
    :param worst: value of each objective that stands for NaN
    :param is_stopped: tells whether somebody deleted the stop file
    :param on_change: called after anything happened
    :param running: jobs, and when they started
    """

    ledger: Ledger
    race: Race
    executor: Executor
    limits: Limits
    make_job: Callable[..., Job]
    worst: list[float]
    is_stopped: Callable[[], bool]
    on_change: Callable[["Sweep"], None]
    running: dict[Job, float] = field(default_factory=dict)
    end: End | None = None
    n_failed: int = 0
    refusals: list[str] = field(default_factory=list)
    n_accepted: int = 0
    interrupted: bool = False

    def run(self) -> End:
        """Work until there is a reason to end and nothing runs any more."""
        self._started = self._last_beat = self.executor.now()
        self.workload = Workload(self.limits.n_workers, self._started)
        self.ledger.beat()
        self._requeue_orphans()
        while True:
            self._look_for_an_end()
            self._fill_workers()
            if not self.running:
                if self.end is None and self._others_may_leave_work():
                    self._wait()
                    continue
                return self.end or End.N_TRIALS
            self._wait()

    def _wait(self) -> None:
        finished = self.executor.finished(min(1.0, self.limits.heartbeat_seconds))
        now = self.executor.now()
        for job, result, ended in finished:
            self.workload.jobs.append((self.running.pop(job), ended))
            self._book(job, result)
        if now - self._last_beat >= self.limits.heartbeat_seconds:
            self._last_beat = now
            self.ledger.beat()
            self._requeue_orphans()
        self.on_change(self)

    def _requeue_orphans(self) -> None:
        orphans = self.ledger.requeue_orphans()
        if orphans:
            log.info("queued again, as their sweeper is gone: trials %s", orphans)

    def _others_may_leave_work(self) -> bool:
        """Whether another sweeper runs trials of this study, which would be ours if it died."""
        return self.limits.n_trials > 0 and self.ledger.n_running_elsewhere > 0

    def _look_for_an_end(self) -> None:
        if self.end is not None:
            if self.interrupted and self.end is not End.INTERRUPTED:
                self._end(End.INTERRUPTED, at_once=True)
            return
        elapsed = self.executor.now() - self._started
        if self.interrupted:
            self._end(End.INTERRUPTED, at_once=True)
        elif elapsed >= self.limits.max_duration_seconds:
            self._end(End.DURATION, at_once=True)
        elif self.is_stopped():
            self._end(End.STOP_FILE)
        elif self.n_failed > self.limits.max_failure_rate * self.limits.n_trials:
            self._end(End.FAILURES)
        elif self._all_are_refused():
            self._end(End.REFUSED)
        elif self.limits.stop_when_verified and self.race.best(self.ledger.contenders()):
            self._end(End.VERIFIED, at_once=True)

    def _all_are_refused(self) -> bool:
        """Whether wrong input was told in the same words each time: it is none of the choices."""
        if self.limits.max_failure_rate >= 1:
            return False  # who says so wants them all
        many = len(self.refusals) == self.n_failed >= _MANY_REFUSALS
        return many and self.n_accepted == 0 and len(set(self.refusals)) == 1

    def _end(self, reason: End, *, at_once: bool = False) -> None:
        """Start nothing new; running trials finish, or end at their next evaluation and queue."""
        self.end = reason
        self._note_last_start()
        if self.running:
            how = "end at their next evaluation and are queued again" if at_once else "finish first"
            log.info("%s; %d running trials %s", reason.value, len(self.running), how)
        if at_once:
            self.ledger.end_running()
        self.executor.cancel_waiting()

    def _fill_workers(self) -> None:
        while self.end is None and len(self.running) < self.limits.n_workers:
            job = self._next_job()
            if job is None:
                self._note_last_start()
                return
            self.running[job] = self.executor.now()
            self.executor.submit(job)
            self.on_change(self)

    def _note_last_start(self) -> None:
        if self.workload.until is None:
            self.workload.until = self.executor.now()

    def _next_job(self) -> Job | None:
        """Find what to run next, if it composes."""
        while True:
            trial = self._next_trial()
            if trial is None:
                return None
            try:
                return self.make_job(trial, is_fresh=trial.study is self.ledger.racing)
            except Exception as error:  # noqa: BLE001 (a config that does not compose fails its trial)
                self._fail(trial, failed(error))
                if self.n_failed > self.limits.max_failure_rate * self.limits.n_trials:
                    return None

    def _next_trial(self) -> Trial | None:
        """
        Race contenders first: what they teach, the epoch cap, makes all later trials cheaper.

        What was begun is finished at last, also where its race was decided without it.
        """
        while True:
            contenders = self.race.undecided(self.ledger.contenders())
            racing = next((one for one in contenders if self.race.n_to_start(one)), None)
            if racing is None:
                screening = self.ledger.ask_screening(self.limits.n_trials)
                return screening or self.ledger.ask_begun()
            trial = self.ledger.ask_racing(racing, self.race)
            if trial is not None:
                return trial  # else other sweepers race it

    def _book(self, job: Job, result: Any) -> None:
        try:
            if self.ledger.holds(job.trial):
                self._book_held(job, result)
                return
        except UpdateFinishedTrialError:  # taken over just now
            pass
        log.warning("another sweeper took over trial %d; this run is dropped", job.trial.number)

    def _book_held(self, job: Job, result: Any) -> None:
        if isinstance(result, BaseException):
            self._book_failure(job, result)
            return
        outcome = outcome_of(result, self.worst)
        if outcome.error is not None:
            self._fail(job.trial, outcome)
        elif outcome.status is Status.INTERRUPTED:
            log.info("trial %d was interrupted; queued again", job.trial.number)
            self.ledger.requeue(job.trial)
        else:
            self.n_accepted += 1
            self.ledger.tell(job.trial, outcome)

    def _book_failure(self, job: Job, error: BaseException) -> None:
        """Queue again what died with its worker or may succeed the next time; else it failed."""
        trial, outcome = job.trial, failed(error)
        attributes = trial.user_attrs
        if isinstance(error, BrokenProcessPool) or type(error).__name__ in _LOST_WORKER:
            epoch = str(self.ledger.last_epoch(trial))
            losses = {epoch: attributes.get(_LOSSES, {}).get(epoch, 0) + (self.end is None)}
            trial.set_user_attr(_LOSSES, losses)
            if losses[epoch] <= self.limits.max_losses:
                log.info("trial %d lost its worker at epoch %s; queued again", trial.number, epoch)
                self.ledger.requeue(trial)
                return
        elif outcome.is_worth_retrying and attributes.get(RETRIES, 0) < self.limits.max_retries:
            trial.set_user_attr(RETRIES, attributes.get(RETRIES, 0) + 1)
            trial.set_user_attr("traceback", outcome.attributes["traceback"])
            log.warning("trial %d raised %r; queued again", trial.number, error)
            self.ledger.requeue(trial)
            return
        self._fail(trial, outcome)

    def _fail(self, trial: Trial, outcome: Outcome) -> None:
        self.n_failed += 1
        if isinstance(outcome.error, UserError):
            self.refusals.append(str(outcome.error))
        log.error("trial %d failed: %s", trial.number, outcome.error)
        self.ledger.tell(trial, outcome)


def worst_values(directions: list[str], worst: float) -> list[float]:
    """
    Make the values that stand for NaN.

    :param directions: one per objective
    :param worst: of an objective that is maximised and whose worst value is known
    """
    return [worst if direction == "maximize" else math.inf for direction in directions]
