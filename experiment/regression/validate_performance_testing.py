"""Performance rows: whether a seed reached what is known to be reached, and then stopped."""

import json
import math
import statistics

from experiment.regression.check_error_logs import failure_of, rows_of
from experiment.regression.matrix import Job, Outcome, Verdict
from experiment.regression.rows import PerformanceRow
from experiment.run_folder.run_directory import RESULT
from interface.result import Status
from interface.run_files import EVALUATIONS
from util.nearest_name import did_you_mean
from util.rounding import at_least


def check_performance(
    row: PerformanceRow, job: Job, outcome: Outcome, slow_factor: float
) -> Verdict:
    """
    Judge one seed of a performance row.

    :param row: the row
    :param job: the seed, which has ended
    :param outcome: how
    :param slow_factor: so many times fewer steps/s than recorded are worth a warning
    """
    failure = failure_of(job, outcome)
    evaluations = rows_of(job.folder / EVALUATIONS)
    if failure or not evaluations:
        return Verdict(passed=False, message=failure or f"no evaluation; see {job.log}")
    if row.metric not in evaluations[-1]:
        guess = did_you_mean(row.metric, evaluations[-1])
        return Verdict(passed=False, message=f"{row.metric} is no column of its evaluations{guess}")
    means = _means([float(one[row.metric] or "nan") for one in evaluations], row.last_n)
    n_steps = int(float(evaluations[-1]["step"]))
    result = json.loads((job.folder / RESULT).read_text(encoding="utf-8"))
    speed = n_steps / result["seconds"]
    metrics = {"value": means[-1], "steps": n_steps, "steps_per_second": speed}
    metrics["minutes"] = outcome.seconds / 60
    wrong_stop = _stopping_error(row, means, result["status"])
    return Verdict(
        passed=wrong_stop is None and at_least(means[-1], row.threshold),
        message=wrong_stop or _value(row, means, n_steps),
        warning=_speed_warning(row, speed, slow_factor),
        metrics=metrics,
    )


def _means(values: list[float], last_n: int) -> list[float]:
    """Mean of each evaluation and those before it; minus infinity before there are enough."""
    return [
        statistics.fmean(values[i - last_n + 1 : i + 1]) if i + 1 >= last_n else -math.inf
        for i in range(len(values))
    ]


def _stopping_error(row: PerformanceRow, means: list[float], status: str) -> str | None:
    """Tell whether early stopping did what the evaluations say."""
    reached = [i for i, mean in enumerate(means) if at_least(mean, row.threshold)]
    if status == Status.SUCCESS.value and not reached:
        return (
            f"early stopping called it a success at {means[-1]:.2f}, below {row.threshold:g}: "
            f"see experiment/run/early_stopping.py"
        )
    if reached and reached[0] < len(means) - 1:
        return (
            f"it went on after evaluation {reached[0] + 1} had reached {row.threshold:g}: "
            f"see experiment/run/early_stopping.py"
        )
    return None


def _value(row: PerformanceRow, means: list[float], n_steps: int) -> str:
    best = max(means)
    at = f"{row.metric} {means[-1]:.2f} after {n_steps} steps"
    return (
        at
        if at_least(means[-1], row.threshold)
        else f"{at}, best {best:.2f}, must be {row.threshold:g}"
    )


def _speed_warning(row: PerformanceRow, speed: float, slow_factor: float) -> str:
    if speed * slow_factor >= row.steps_per_second:
        return ""
    return f"{speed:.0f} steps/s, {row.steps_per_second / speed:.1f} times fewer than recorded"
