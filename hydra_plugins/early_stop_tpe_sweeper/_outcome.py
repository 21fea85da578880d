"""How a job ended, read from what Hydra's launcher returned."""

import math
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hydra_plugins.early_stop_tpe_sweeper._records import RESULT
from interface.errors import ProgramError, UserError
from interface.result import RunResult, Status

SENTENCE = "error"
"""Attribute of a failed trial whose error says all in one sentence."""


@dataclass(frozen=True)
class Outcome:
    """
    How a job ended.

    :param values: one per objective; None if the job failed
    :param status: of the run; None for a task that is not ours
    :param attributes: to keep with the trial
    :param error: of a failed job
    """

    values: list[float] | None
    status: Status | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None

    @property
    def is_worth_retrying(self) -> bool:
        """Whether the job could succeed a second time: wrong input stays wrong."""
        return self.error is not None and not isinstance(self.error, UserError)


def failed(error: BaseException) -> Outcome:
    """
    Make the outcome of a job that raised.

    :param error: what it raised
    """
    text = "".join(traceback.format_exception(error))
    attributes: dict[str, Any] = {"traceback": text[-4000:]}
    if isinstance(error, UserError | ProgramError):
        attributes[SENTENCE] = str(error)
    return Outcome(None, attributes=attributes, error=error)


def outcome_of(value: Any, worst: list[float]) -> Outcome:
    """
    Read what a task returned.

    NaN is the worst value and not a failure, so that the sampler learns to stay away.

    :param value: a ``RunResult``, a number, or several numbers
    :param worst: value of each objective that stands for NaN
    """
    result: dict[str, Any] = {}
    status = None
    if isinstance(value, RunResult):
        status = value.status
        result = {
            "status": status.value,
            "n_epochs": int(value.n_epochs),  # a journal refuses numpy's numbers
            "n_steps": int(value.n_steps),
            "unit": value.unit,
        }
        if value.run_id is not None:
            result["run_id"] = value.run_id
        value = value.scores
    try:
        values = [float(one) for one in (value if _is_several(value) else [value])]
    except (TypeError, ValueError):
        message = f"the task must return a number for each objective, but returned {value!r}"
        return failed(UserError(message))
    if len(values) != len(worst):
        message = f"the task returned {len(values)} values for {len(worst)} objectives"
        return failed(UserError(message))
    if any(math.isnan(one) for one in values):
        values, result = worst, result | {"was_nan": True}
    return Outcome(values, status, {RESULT: result} if result else {})


def _is_several(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str)
