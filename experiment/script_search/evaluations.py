"""From the lines of a script's report to evaluations, as a run of ours has them."""

import math
from collections.abc import Sequence
from typing import Any, Self

from omegaconf import DictConfig

from experiment.run_folder.metric_history import EpochMetrics
from experiment.script_search.report import Row
from interface.errors import UserError, unknown_name
from interface.objective import Budget, criteria
from util.nearest_name import did_you_mean

_N_EPOCHS_WITHOUT_SCORE = 2


class Evaluations:
    """
    Makes an evaluation of the lines since the one before, as soon as the next epoch is reached.

    Its values are the means of theirs. Lines without a score only tell how far the script is.

    :param budget: of a run
    :param step_column: name of the steps
    :param is_total: whether they count from the beginning on, or since the line before
    :param columns: names of the scores
    """

    def __init__(
        self, budget: Budget, step_column: str, *, is_total: bool, columns: Sequence[str]
    ) -> None:
        self._budget, self._step_column, self._is_total = budget, step_column, is_total
        self._values: dict[str, list[float]] = {name: [] for name in columns}
        self._seen: dict[str, None] = {}
        self._step = 0
        self._next_step = budget.epoch_steps

    @classmethod
    def from_config(cls, cfg: DictConfig) -> Self:
        """
        Read from a config what makes an evaluation.

        :param cfg: of ``conf/search.yaml``
        """
        names = [cfg.early_stop_data_column, *(one.column for one in criteria(cfg))]
        return cls(
            Budget.from_config(cfg),
            cfg.step_column,
            is_total=cfg.step_counts == "total",
            columns=list(dict.fromkeys(names)),
        )

    def add(self, row: Row) -> EpochMetrics | None:
        """
        Take a line.

        :param row: values by column
        :return: an evaluation if there is one, with NaN where a score is no finite number
        :raises UserError: if a column is missing, or its value is no number
        """
        self._seen.update(dict.fromkeys(row))
        scores = {name: _number(name, row[name]) for name in self._values if name in row}
        if self._step_column in row:
            step = int(_number(self._step_column, row[self._step_column]))
            self._step = step if self._is_total else self._step + step
        elif scores:
            raise unknown_name("step_column", self._step_column, row.keys() - scores.keys())
        for name, value in scores.items():
            self._values[name].append(value)
        if not all(map(math.isfinite, scores.values())):
            return self._made(math.nan)
        if self._step < self._next_step:
            return None
        if all(self._values.values()):
            return self._made()
        if self._step >= _N_EPOCHS_WITHOUT_SCORE * self._budget.epoch_steps:
            self._check_seen(f" up to step {self._step}")
        return None

    def rest(self) -> EpochMetrics | None:
        """
        Make a last evaluation of what the script has said before its end.

        :raises UserError: if it has not said a score at all
        """
        self._check_seen("")
        return self._made() if all(self._values.values()) else None

    def _made(self, value: float | None = None) -> EpochMetrics:
        means = {
            name: sum(values) / len(values) if value is None else value
            for name, values in self._values.items()
        }
        for values in self._values.values():
            values.clear()
        epoch = self._budget.epoch_at(self._step)
        self._next_step = (self._step // self._budget.epoch_steps + 1) * self._budget.epoch_steps
        return EpochMetrics(epoch, self._step, means)

    def _check_seen(self, until: str) -> None:
        for name in self._values:
            if name not in self._seen:
                known = did_you_mean(name, self._seen) if self._seen else "; it is empty"
                raise UserError(f"no line of the report{until} has {name!r}{known}")


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(f"{name}={value!r} in the report is no number") from None
