"""Runs the jobs of a matrix on the slots of this host, one loop, no threads."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from experiment.regression.matrix import Job, Row, State, Verdict, n_wanted, state_of
from experiment.regression.process import RunningJob, earlier_outcome
from util.slots import SlotPool

_LOOK_SECONDS = 0.5


@dataclass
class Progress:
    """
    Where a row stands.

    :param row: the row
    :param verdicts: of its jobs that have ended, by seed
    :param running: its jobs that run
    """

    row: Row
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    running: list[RunningJob] = field(default_factory=list)

    @property
    def state(self) -> State:
        """Of the row; a row that has started is running until it is decided."""
        decided = state_of(self.row, list(self.verdicts.values()))
        return State.RUNNING if self.running and decided == State.QUEUED else decided

    @property
    def is_decided(self) -> bool:
        """Whether it has passed or failed."""
        return self.state in (State.PASSED, State.FAILED)

    def next_jobs(self) -> Iterator[Job]:
        """Give the jobs that should start now, in the order of the seeds."""
        taken = set(self.verdicts) | {job.job.seed for job in self.running}
        wanted = n_wanted(self.row, list(self.verdicts.values()), len(self.running))
        yield from [job for job in self.row.jobs if job.seed not in taken][:wanted]


class Runner:
    """
    Run rows until each is decided.

    What an earlier, killed run of the same matrix finished is not run again, what it began goes on.

    :param rows: to run, in order
    :param pool: the slots
    :param start_interval_seconds: between two starts
    :param show: called with the progress of all rows twice a second
    """

    def __init__(
        self,
        rows: Sequence[Row],
        pool: SlotPool,
        start_interval_seconds: float,
        show: Callable[[list[Progress]], None],
    ) -> None:
        self.progress = [Progress(row) for row in rows]
        self._pool = pool
        self._interval = start_interval_seconds
        self._show = show
        self._last_start = -float("inf")
        self._recall()

    def run(self) -> list[Progress]:
        """Run all rows; Ctrl-C ends the children and keeps what is finished."""
        try:
            while not all(one.is_decided for one in self.progress):
                self._start_jobs()
                for one in self.progress:
                    self._look_at(one)
                self._show(self.progress)
                time.sleep(_LOOK_SECONDS)
        finally:
            for one in self.progress:
                self._end_all(one)
        self._show(self.progress)
        return self.progress

    def _recall(self) -> None:
        """Judge what an earlier run of this matrix finished."""
        for one in self.progress:
            for job in one.row.jobs:
                outcome = earlier_outcome(job)
                if outcome is not None:
                    one.verdicts[job.seed] = one.row.judge(job, outcome)

    def _start_jobs(self) -> None:
        for one in self.progress:
            for job in one.next_jobs():
                if time.monotonic() < self._last_start + self._interval:
                    return
                slot = self._pool.take()
                if slot is None:
                    return
                one.running.append(RunningJob(job, slot))
                self._last_start = time.monotonic()

    def _look_at(self, one: Progress) -> None:
        for running in list(one.running):
            outcome = running.outcome()
            if outcome is not None:
                one.running.remove(running)
                self._pool.give_back(running.slot)
                one.verdicts[running.job.seed] = one.row.judge(running.job, outcome)
        if one.is_decided:
            self._end_all(one)

    def _end_all(self, one: Progress) -> None:
        while one.running:
            running = one.running.pop()
            running.end()
            self._pool.give_back(running.slot)
