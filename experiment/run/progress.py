"""Show how a run is doing: a bar on a terminal, else a line a minute; a line per evaluation."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from interface.learner import Learner, progress_of, unit_of
from interface.metrics import (
    EVAL_GOAL_DISTANCE,
    EVAL_RETURN,
    EVAL_SUCCESS_EVER,
    EVAL_SUCCESS_RATE,
)

log = logging.getLogger(__name__)

_REFRESH_SECONDS = 0.5
_LINE_SECONDS = 60.0
_MOST_SECONDS = 1e9  # that are told; beyond, a timedelta ends
_SHOWN = {
    EVAL_SUCCESS_RATE: "success {:.2f}",
    EVAL_SUCCESS_EVER: "ever {:.2f}",
    EVAL_RETURN: "return {:.1f}",
    EVAL_GOAL_DISTANCE: "distance {:.3f}",
}


class RunProgress:
    """
    The progress of one run.

    :param model: to train
    :param total_steps: of the whole run, in the learner's unit
    :param n_epochs: evaluations of the whole run
    :param visible: False for one of several runs on a terminal
    """

    def __init__(
        self, model: Learner, total_steps: int, n_epochs: int, *, visible: bool = True
    ) -> None:
        self._n_epochs = n_epochs
        self._unit = unit = unit_of(model)
        self._moment = unit.removesuffix("s")
        self._start_step = self._step = progress_of(model)
        self._n_steps = total_steps
        self._start = time.monotonic()
        self._latest = "not evaluated yet"
        self._bar = Progress(
            TextColumn(self._moment),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn(f"{{task.fields[rate]:.0f}} {unit}/s"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[latest]}"),
            console=Console(),
            disable=not (visible and sys.stdout.isatty()),
        )
        self._task = self._bar.add_task("", total=total_steps, rate=0.0, latest=self._latest)
        self._pause = _LINE_SECONDS if self._bar.disable else _REFRESH_SECONDS
        self._next_look = self._start + self._pause

    @property
    def rate(self) -> float:
        """Progress per second since the start, evaluations included."""
        return (self._step - self._start_step) / max(time.monotonic() - self._start, 1e-9)

    def on_step(self, step: int) -> None:
        """
        Note a step; cheap.

        :param step: progress so far
        """
        self._step = step
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + self._pause
            self._show()

    def _show(self) -> None:
        if not self._bar.disable:
            self._bar.update(self._task, completed=self._step, rate=self.rate, latest=self._latest)
            return
        seconds = max(0.0, (self._n_steps - self._step) / max(self.rate, 1e-9))
        log.info(
            "%s %d of %d  %.3g %s/s  at most %s left",
            *(self._moment, self._step, self._n_steps, self.rate, self._unit),
            timedelta(seconds=round(min(seconds, _MOST_SECONDS))),
        )

    def on_evaluation(self, epoch: int, step: int, metrics: Mapping[str, float]) -> None:
        """
        Log an evaluation.

        :param epoch: its number, from 1
        :param step: progress so far
        :param metrics: of the evaluation
        """
        self._step = step
        known = [text.format(metrics[key]) for key, text in _SHOWN.items() if key in metrics]
        shown = known or [f"{key.removeprefix('eval/')} {metrics[key]:.4g}" for key in metrics]
        self._latest = "  ".join([f"epoch {epoch}/{self._n_epochs}", *shown[:1]])
        log.info(
            "epoch %d/%d  %s %d  %s  %.0f %s/s",
            epoch,
            self._n_epochs,
            self._moment,
            step,
            "  ".join(shown),
            self.rate,
            self._unit,
        )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar within the block; log lines appear above it."""
        with self._bar:
            handlers = [
                handler
                for handler in logging.getLogger().handlers
                if isinstance(handler, logging.StreamHandler)
                and handler.stream is sys.__stdout__
                and not self._bar.disable
            ]
            for handler in handlers:
                handler.setStream(sys.stdout)  # now the bar's own, which keeps them apart
            try:
                yield
            finally:
                for handler in handlers:
                    handler.setStream(sys.__stdout__)
