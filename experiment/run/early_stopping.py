"""End a run that is good enough."""

from dataclasses import dataclass
from typing import Self

from omegaconf import DictConfig

from experiment.run_folder.metric_history import MetricHistory
from interface.config import Direction
from util.rounding import at_least


@dataclass(frozen=True)
class EarlyStopping:
    """
    Good enough: the mean of the last values of a metric reaches a threshold.

    :param column: key of the metric
    :param threshold: what the mean must reach, reaching it but for rounding counts
    :param last_n: how many values, at least 1; with fewer, nothing is reached
    :param direction: whether more or less is better
    """

    column: str
    threshold: float
    last_n: int
    direction: Direction

    @classmethod
    def from_config(cls, cfg: DictConfig) -> Self:
        """
        Read the rule from a config.

        :param cfg: the main config
        """
        return cls(
            cfg.early_stop_data_column,
            cfg.early_stop_threshold,
            cfg.early_stop_last_n,
            cfg.early_stop_direction,
        )

    def reached(self, history: MetricHistory) -> bool:
        """
        Tell whether the run is good enough.

        :param history: of the run so far
        """
        values = history.column(self.column)[-self.last_n :]
        if len(values) < self.last_n:
            return False
        mean = sum(values) / len(values)
        if self.direction is Direction.maximize:
            return at_least(mean, self.threshold)
        return at_least(-mean, -self.threshold)
