"""What a run tells a search after each evaluation, and what the search answers."""

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from interface.result import Status


class StopReason(Enum):
    """Why a search ends a run before its last epoch."""

    PRUNED = Status.PRUNED
    CAPPED = Status.CAPPED
    INTERRUPTED = Status.INTERRUPTED


class RunLostError(Exception):
    """
    Ends a run whose trial another sweeper took over.

    Its folder and its record belong to that one's run now: whoever catches this writes nothing.
    """


class RunMonitor(Protocol):
    """A search's ear in a run. Named in the config by ``run_monitor._target_``."""

    def check_ours(self) -> None:
        """
        Make sure that the trial is still this run's; asked before anything is written.

        :raises RunLostError: if another sweeper took it over while this one was silent
        """

    def report(self, epoch: int, metrics: Mapping[str, float]) -> StopReason | None:
        """
        Take the metrics of one evaluation.

        :param epoch: its number by steps, so some are left out where rollouts are long
        :param metrics: all metrics of this evaluation, keys as in ``interface.metrics``
        :return: why the run shall stop now, None to go on
        :raises RunLostError: as ``check_ours``
        """

    def recall(self, metrics: Mapping[str, float]) -> None:
        """
        Take the metrics of an evaluation that an earlier start of the run has reported.

        :param metrics: all metrics of that evaluation; called once for each, oldest first
        """


class NullMonitor:
    """Nobody searches: a single run goes on."""

    def check_ours(self) -> None:
        """Nobody else has a single run's trial."""

    def report(self, epoch: int, metrics: Mapping[str, float]) -> StopReason | None:  # noqa: ARG002
        """Ignore the metrics and let the run go on."""
        return None

    def recall(self, metrics: Mapping[str, float]) -> None:
        """Nobody wants to know."""
