"""
The score of a run: one pure function of its metrics. Everything goes by the learner's clock.

- A run that reached its target scores ``2 - steps / budget``: from 1 to 2, faster is better.
- A run that did not scores below 1: its mean success over the budget, minus a thousandth of its
  relative goal distance, which orders runs that never succeeded; by another metric 1 minus what its
  mean lacks to the threshold.
- By a metric that is not the one of early stopping, a run scores its mean over the budget.

A mean over the budget takes the last value to last until the end of the budget, so that a run that
was cut short compares with one that ran out, and neither loses nor gains by its end.
"""

import math

import numpy as np
from omegaconf import DictConfig

from experiment.run_folder.metric_history import MetricHistory
from interface.metrics import EVAL_GOAL_DISTANCE
from interface.objective import Budget, Criterion, criteria
from interface.result import Status

WORST_SCORE = -1.0
"""Of a run that diverged or was never evaluated: below any other run's success score."""

_DISTANCE_WEIGHT = 0.001

_CENSORED_BONUS = 0.001
"""A capped run was not seen to fail: it ranks before one that failed with the same success."""

_BEST_MISS = math.nextafter(1.0, 0.0)


def scores(cfg: DictConfig, history: MetricHistory, status: Status) -> tuple[float, ...]:
    """
    Score a run by each criterion of its config.

    :param cfg: the main config
    :param history: of the run
    :param status: how it ended
    :return: higher is better
    """
    budget = Budget.from_config(cfg)
    return tuple(score(one, budget, history, status) for one in criteria(cfg))


def score(criterion: Criterion, budget: Budget, history: MetricHistory, status: Status) -> float:
    """
    Score a run by one criterion.

    :param criterion: to score by
    :param budget: of a full run
    :param history: of the run
    :param status: how it ended
    :return: higher is better; the worst there is for a run that diverged or lacks the metric
    """
    worst = WORST_SCORE if criterion.counts_successes else -math.inf
    if status is Status.DIVERGED or not history.column(criterion.column):
        return worst
    if criterion.threshold is not None and status is Status.SUCCESS:
        return 2.0 - min(1.0, history.epochs[-1].step / budget.n_steps)
    value = _value(criterion, budget, history)
    if math.isnan(value):
        return worst
    if criterion.threshold is None:
        return value
    return min(value + _CENSORED_BONUS * (status is Status.CAPPED), _BEST_MISS)


def _value(criterion: Criterion, budget: Budget, history: MetricHistory) -> float:
    mean = mean_over_budget(criterion, budget, history)
    if criterion.counts_successes:
        return mean - _DISTANCE_WEIGHT * _relative_distance(history)
    if criterion.threshold is None:
        return criterion.better(mean)
    return 1 + min(0.0, criterion.better(mean - criterion.threshold))


def mean_over_budget(criterion: Criterion, budget: Budget, history: MetricHistory) -> float:
    """
    Average a metric over the epochs of the whole budget.

    An epoch without an evaluation gets what lies between its neighbours, so that rare evaluations
    neither pay nor cost; after the last one its value lasts. An agent starts without successes.

    :param criterion: whose metric
    :param budget: of a full run
    :param history: of the run, with the metric
    """
    column = criterion.column
    known = [(one.step, one.values[column]) for one in history.epochs if column in one.values]
    if criterion.counts_successes:
        known.insert(0, (0, 0.0))
    steps, values = zip(*known, strict=True)
    due = budget.epoch_steps * np.arange(1, budget.n_epochs + 1)
    return float(np.mean(np.interp(due, steps, values)))


def _relative_distance(history: MetricHistory) -> float:
    """Divide the last goal distance by the first, at most 1."""
    distances = history.column(EVAL_GOAL_DISTANCE)
    if not distances or distances[0] <= 0:
        return 0.0
    return min(1.0, distances[-1] / distances[0])
