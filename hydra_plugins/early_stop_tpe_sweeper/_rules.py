"""
The rules of the search: pure functions of the runs so far, testable without Hydra and Optuna.

A configuration is *screened* by one run. If that run reached its target, the configuration is a
*contender* and races on fresh seeds: it is *verified* once ``n_needed`` of at most ``n_allowed``
fresh runs reached the target too, and *refuted* once that can no longer happen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What the fresh seeds say of a configuration."""

    UNDECIDED = "undecided"
    VERIFIED = "verified"
    REFUTED = "refuted"


@dataclass(frozen=True)
class FreshRun:
    """
    A run on a fresh seed.

    :param reached: its target; False for one that failed
    :param score: its objective, higher is better
    :param n_epochs: it took
    """

    reached: bool
    score: float
    n_epochs: int


@dataclass(frozen=True)
class Candidate:
    """
    A screened configuration.

    :param number: of its trial
    :param reached: whether the screening run reached its target
    :param score: of the screening run, higher is better
    :param n_epochs: of the screening run
    :param fresh: finished runs on fresh seeds
    :param n_racing: runs on fresh seeds that are queued or running
    """

    number: int
    reached: bool
    score: float
    n_epochs: int
    fresh: tuple[FreshRun, ...] = ()
    n_racing: int = 0

    @property
    def fresh_score(self) -> float:
        """The mean score on fresh seeds."""
        return sum(run.score for run in self.fresh) / len(self.fresh)

    @property
    def epochs_to_target(self) -> float:
        """The median number of epochs of the fresh runs that reached the target."""
        epochs = sorted(run.n_epochs for run in self.fresh if run.reached)
        middle = len(epochs) // 2
        return epochs[middle] if len(epochs) % 2 else (epochs[middle - 1] + epochs[middle]) / 2


@dataclass(frozen=True)
class Race:
    """
    When a contender is verified.

    :param n_needed: fresh runs that must reach the target
    :param n_allowed: fresh runs at most
    """

    n_needed: int
    n_allowed: int

    def verdict(self, candidate: Candidate) -> Verdict:
        """
        Judge a configuration, as early as the outcome is certain.

        :param candidate: the configuration
        """
        n_reached = sum(run.reached for run in candidate.fresh)
        if n_reached >= self.n_needed:
            return Verdict.VERIFIED
        n_missed = len(candidate.fresh) - n_reached
        return Verdict.REFUTED if n_missed > self.n_allowed - self.n_needed else Verdict.UNDECIDED

    def n_to_start(self, candidate: Candidate) -> int:
        """
        Count the fresh runs worth starting now: as many as are missing if all of them succeed.

        :param candidate: the configuration
        """
        if self.verdict(candidate) is not Verdict.UNDECIDED:
            return 0
        n_missing = self.n_needed - sum(run.reached for run in candidate.fresh)
        n_left = self.n_allowed - len(candidate.fresh)
        return max(0, min(n_missing, n_left) - candidate.n_racing)

    def best(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """
        Find the verified configuration with the best score on fresh seeds.

        :param candidates: at least the screened configurations that reached their target
        """
        verified = [one for one in candidates if self.verdict(one) is Verdict.VERIFIED]
        return max(verified, key=lambda one: one.fresh_score, default=None)

    def undecided(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """
        List the contenders to race, most promising first.

        Once a configuration is verified, only those whose screening run was better still race.

        :param candidates: at least the screened configurations that reached their target
        """
        best = self.best(candidates)
        bar = -math.inf if best is None else best.fresh_score
        racing = [
            one
            for one in candidates
            if one.reached and one.score > bar and self.verdict(one) is Verdict.UNDECIDED
        ]
        return sorted(racing, key=lambda one: (-one.score, one.number))

    def open_to_win(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """
        List the configurations that may be the best in the end.

        :param candidates: the screened configurations that finished
        """
        missed = [one for one in candidates if not one.reached]
        sure = self.best(candidates) or max(missed, key=lambda one: one.score, default=None)
        return [*self.undecided(candidates), *([] if sure is None else [sure])]


@dataclass(frozen=True)
class EpochCap:
    """
    How many epochs a screening run gets.

    :param budget: epochs of a full run
    :param factor: of the fastest configuration's epochs
    :param warm_up: share of the budget that every run gets, in [0, 1]
    """

    budget: int
    factor: float
    warm_up: float

    @property
    def n_warm_up(self) -> int:
        """Epochs that every run gets."""
        return max(1, math.ceil(self.warm_up * self.budget))

    def __call__(self, candidates: Sequence[Candidate], race: Race) -> int:
        """
        Learn the cap from the fastest verified configuration.

        Until one is verified, the fastest screening run that reached its target and is not
        refuted counts, so a refuted one relaxes the cap again.

        :param candidates: at least the screened configurations that reached their target
        :param race: tells which are verified
        """
        verdicts = [(one, race.verdict(one)) for one in candidates]
        epochs = [one.epochs_to_target for one, verdict in verdicts if verdict is Verdict.VERIFIED]
        if not epochs:
            epochs = [
                one.n_epochs
                for one, verdict in verdicts
                if one.reached and verdict is not Verdict.REFUTED
            ]
        if not epochs:
            return self.budget
        return min(self.budget, max(self.n_warm_up, math.ceil(self.factor * min(epochs))))


def shows_no_sign_of_life(
    successes: Sequence[float], distances: Sequence[float], progress: float
) -> bool:
    """
    Tell whether a run never succeeded and does not come closer to its goals either.

    :param successes: success rate of each evaluation
    :param distances: goal distance of each evaluation, empty if the environment has none
    :param progress: share by which the mean of the later half must be below the first distance
    """
    if any(successes) or len(distances) < 2 or distances[0] <= 0:
        return False
    later = distances[len(distances) // 2 :]
    return sum(later) / len(later) > (1 - progress) * distances[0]
