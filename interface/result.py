"""What a run returns."""

from dataclasses import dataclass
from enum import Enum

from interface.learner import Unit


class Status(Enum):
    """How a run ended."""

    SUCCESS = "success"
    """Good enough: early stopping."""
    FINISHED = "finished"
    """All epochs done."""
    CAPPED = "capped"
    """Stopped at a search's learned epoch cap."""
    PRUNED = "pruned"
    """Hopeless, said the search."""
    DIVERGED = "diverged"
    """Losses or weights were no longer finite."""
    INTERRUPTED = "interrupted"
    """Stopped by a signal; ``restore`` goes on."""


INTERRUPTED_EXIT = 130
"""Exit code of a command that a signal ended in order."""


@dataclass(frozen=True)
class RunResult:
    """
    The outcome of one run; ``float(result)`` is its score, so any Hydra sweeper can use it.

    :param scores: of each criterion, higher is better; see ``experiment.run.score``
    :param status: how the run ended
    :param n_epochs: how far it came: number of its last epoch, by steps
    :param n_steps: progress made, in ``unit``
    :param run_id: the tracker's id of this run, None if it was not tracked
    :param unit: of progress: environment steps, or updates of a learner that counts those
    """

    scores: tuple[float, ...]
    status: Status
    n_epochs: int
    n_steps: int
    run_id: str | None = None
    unit: Unit = "steps"

    @property
    def score(self) -> float:
        """The first of the scores."""
        return self.scores[0]

    def __float__(self) -> float:
        return self.score
