"""What is shown while a matrix runs: one line for each row that runs or has ended, and the ETA."""

import time
from collections import Counter

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from experiment.regression.check_error_logs import rows_of
from experiment.regression.matrix import State
from experiment.regression.process import RunningJob
from experiment.regression.runner import Progress
from interface.metrics import EVAL_SUCCESS_RATE
from interface.run_files import EVALUATIONS

STYLES = {State.PASSED: "green", State.FAILED: "red", State.RUNNING: "cyan", State.QUEUED: "dim"}


class LiveTable:
    """
    Redraws in place on a terminal; elsewhere prints a line for each row that is decided.

    :param n_slots: jobs at once
    :param console: to write to
    """

    def __init__(self, n_slots: int, console: Console) -> None:
        self._n_slots = n_slots
        self._console = console
        self._told: set[str] = set()
        self._live = Live(console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> "LiveTable":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def __call__(self, progress: list[Progress]) -> None:
        """
        Show where the rows stand.

        :param progress: of all rows
        """
        for one in progress:
            if one.is_decided and one.row.name not in self._told:
                self._told.add(one.row.name)
                self._console.print(_line(one), soft_wrap=True)
        if self._console.is_terminal:
            self._live.update(self._drawn(progress))

    def _drawn(self, progress: list[Progress]) -> Group:
        table = Table("row", "seed", "minutes", "steps", "steps/s", "success", box=None)
        for one in progress:
            for running in one.running:
                table.add_row(one.row.name, str(running.job.seed), *_news(running))
        counts = Counter(one.state for one in progress)
        told = ", ".join(f"{counts[state]} {state.value}" for state in State)
        return Group(table, Text(f"{told}; {self._minutes_left(progress):.0f} min left"))

    def _minutes_left(self, progress: list[Progress]) -> float:
        return sum(_minutes_left(one) for one in progress if not one.is_decided) / self._n_slots


def _minutes_left(one: Progress) -> float:
    """Expect that the seeds that run now pass."""
    n_passed = sum(verdict.passed for verdict in one.verdicts.values())
    n_more = max(0, one.row.required - n_passed - len(one.running))
    rest = sum(max(0.0, one.row.minutes - job.seconds / 60) for job in one.running)
    return rest + n_more * one.row.minutes


def _line(one: Progress) -> Text:
    n_passed = sum(verdict.passed for verdict in one.verdicts.values())
    cause = next((v.message for v in one.verdicts.values() if not v.passed), "")
    warning = next((v.warning for v in one.verdicts.values() if v.warning), "")
    said = "; ".join(filter(None, [cause if one.state == State.FAILED else "", warning]))
    text = f"{one.row.name}: {n_passed} of {one.row.required} wanted of {len(one.row.jobs)}"
    clock = time.strftime("%H:%M:%S")
    return Text.assemble(
        f"{clock} ",
        (one.state.value, STYLES[one.state]),
        f" {text}" + (f": {said}" if said else ""),
    )


def _news(running: RunningJob) -> tuple[str, str, str, str]:
    """Minutes, steps, steps/s and success of a job, as far as it has been evaluated."""
    minutes = f"{running.seconds / 60:.1f}"
    evaluations = rows_of(running.job.folder / EVALUATIONS)
    if not evaluations:
        return minutes, "", "", ""
    steps = float(evaluations[-1]["step"])
    success = evaluations[-1].get(EVAL_SUCCESS_RATE) or "nan"
    return minutes, f"{steps:.0f}", f"{steps / running.seconds:.0f}", f"{float(success):.2f}"
