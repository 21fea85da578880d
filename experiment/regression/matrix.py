"""What a matrix consists of: rows of jobs, each job one seed; how jobs end, how rows are judged."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """
    One seed of a row.

    :param row: name of the row
    :param seed: of the run
    :param folder: of the run
    :param commands: run one after the other while they succeed
    :param timeout_minutes: for all of them together
    """

    row: str
    seed: int
    folder: Path
    commands: tuple[tuple[str, ...], ...]
    timeout_minutes: float

    @property
    def name(self) -> str:
        """The row and the seed."""
        return f"{self.row}-s{self.seed}"

    @property
    def log(self) -> Path:
        """What the commands print."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def outcome_file(self) -> Path:
        """How the job ended, once it has."""
        return self.folder.with_name(f"{self.folder.name}.outcome.json")


@dataclass(frozen=True)
class Outcome:
    """
    How a job ended.

    :param exit_code: of the last command that ran; negative: the signal that ended it
    :param seconds: that it took
    :param timed_out: ended by its time limit
    """

    exit_code: int
    seconds: float
    timed_out: bool = False


@dataclass(frozen=True)
class Verdict:
    """
    What is said of one job.

    :param passed: or failed
    :param message: the value, or the cause
    :param warning: that does not fail the job, e.g. of its speed
    :param metrics: measured by it
    """

    passed: bool
    message: str
    warning: str = ""
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """
    A row passes when enough of its jobs do.

    :param name: unique in the matrix
    :param jobs: one per seed
    :param required: how many must pass
    :param minutes: that one job is expected to take
    :param judge: of a job
    :param nightly: left out unless asked for
    :param note: shown beside the verdict
    """

    name: str
    jobs: tuple[Job, ...]
    required: int
    minutes: float
    judge: Callable[[Job, Outcome], Verdict]
    nightly: bool = False
    note: str = ""

    @property
    def expected_minutes(self) -> float:
        """Of the jobs that it needs to pass, one after the other."""
        return self.minutes * self.required


class State(Enum):
    """Of a row."""

    QUEUED = "queued"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


def state_of(row: Row, verdicts: list[Verdict]) -> State:
    """
    Tell whether a row is decided.

    :param row: the row
    :param verdicts: of its jobs that have ended
    """
    n_passed = sum(verdict.passed for verdict in verdicts)
    if n_passed >= row.required:
        return State.PASSED
    if n_passed + len(row.jobs) - len(verdicts) < row.required:
        return State.FAILED
    return State.RUNNING if verdicts else State.QUEUED


def n_wanted(row: Row, verdicts: list[Verdict], n_running: int) -> int:
    """
    Count the jobs that should start now: no more than may be needed to pass.

    :param row: the row
    :param verdicts: of its jobs that have ended
    :param n_running: of its jobs
    """
    if state_of(row, verdicts) in (State.PASSED, State.FAILED):
        return 0
    n_passed = sum(verdict.passed for verdict in verdicts)
    n_left = len(row.jobs) - len(verdicts) - n_running
    return max(0, min(n_left, row.required - n_passed - n_running))
