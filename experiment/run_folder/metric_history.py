"""The metrics of all evaluations of a run, in this process: what decisions are made from."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from util.atomic_write import atomic_write_text


@dataclass(frozen=True)
class EpochMetrics:
    """
    What is known at the end of an epoch.

    :param epoch: its number by steps, see ``interface.objective.Budget``
    :param step: progress so far, in the learner's unit
    :param values: metrics by key, those of the evaluation and the last ones of the training
    """

    epoch: int
    step: int
    values: Mapping[str, float]


class MetricHistory:
    """
    The epochs that were evaluated so far, oldest first.

    :param epochs: of a run that is continued
    """

    def __init__(self, epochs: Iterable[EpochMetrics] = ()) -> None:
        self.epochs = list(epochs)

    @property
    def last_epoch(self) -> int:
        """The number of the last epoch, 0 before the first."""
        return self.epochs[-1].epoch if self.epochs else 0

    @property
    def last_step(self) -> int:
        """Progress at the last epoch, 0 before the first."""
        return self.epochs[-1].step if self.epochs else 0

    def append(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """
        Add an epoch.

        :param epoch: its number by steps
        :param step: progress so far
        :param values: metrics by key
        """
        self.epochs.append(EpochMetrics(epoch, step, dict(values)))

    def column(self, key: str) -> list[float]:
        """
        Read one metric over all epochs that have it.

        :param key: of the metric
        """
        return [epoch.values[key] for epoch in self.epochs if key in epoch.values]

    def keys(self) -> list[str]:
        """List all metrics seen so far."""
        return sorted({key for epoch in self.epochs for key in epoch.values})

    def write_csv(self, path: Path) -> None:
        """
        Write one row per epoch, in full precision.

        :param path: the file to replace
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, ["epoch", "step", *self.keys()], lineterminator="\n")
        writer.writeheader()
        for epoch in self.epochs:
            writer.writerow({"epoch": epoch.epoch, "step": epoch.step, **epoch.values})
        atomic_write_text(path, text.getvalue())


def read_csv(path: Path) -> MetricHistory:
    """
    Read what ``MetricHistory.write_csv`` wrote.

    :param path: of the file
    """
    history = MetricHistory()
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            epoch, step = int(row.pop("epoch")), int(row.pop("step"))
            history.append(epoch, step, {key: float(one) for key, one in row.items() if one})
    return history
