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

    :param epoch: its number, from 1
    :param step: environment steps so far
    :param values: metrics by key, those of the evaluation and the last ones of the training
    """

    epoch: int
    step: int
    values: Mapping[str, float]


class MetricHistory:
    """
    The epochs so far, oldest first.

    :param epochs: of a run that is continued
    """

    def __init__(self, epochs: Iterable[EpochMetrics] = ()) -> None:
        self.epochs = list(epochs)

    def append(self, step: int, values: Mapping[str, float]) -> EpochMetrics:
        """
        Add an epoch.

        :param step: environment steps so far
        :param values: metrics by key
        """
        epoch = EpochMetrics(len(self.epochs) + 1, step, dict(values))
        self.epochs.append(epoch)
        return epoch

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
            step = int(row.pop("step"))
            row.pop("epoch")
            history.append(step, {key: float(value) for key, value in row.items() if value})
    return history
