"""
The objective of a search: one pure function of a run's metrics.

A run that reached its target scores ``2 - steps / budget``: from 1 to 2, faster is better. Any
other run scores its mean success, as if its last value had lasted until the end of the budget, so
that a run that was cut short is not compared as if it had run out; minus a thousandth of its
relative goal distance, which orders runs that never succeeded.
"""

from omegaconf import DictConfig

from experiment.metric_history import MetricHistory
from interface.config import Direction
from interface.metrics import EVAL_GOAL_DISTANCE, EVAL_SUCCESS_RATE
from interface.result import Status

WORST_SCORE = -1.0
"""Of a run that diverged or was never evaluated: below any other run's success score."""

_DISTANCE_WEIGHT = 0.001


def score(cfg: DictConfig, history: MetricHistory, status: Status) -> float:
    """
    Score a run by the criterion of its config.

    :param cfg: the main config
    :param history: of the run
    :param status: how it ended
    :return: higher is better
    """
    if status is Status.DIVERGED:
        return WORST_SCORE
    if cfg.hyperopt_criterion == EVAL_SUCCESS_RATE:
        return success_score(history, cfg.n_epochs, reached=status is Status.SUCCESS)
    return column_score(history, cfg.hyperopt_criterion, cfg.hyperopt_direction)


def success_score(history: MetricHistory, n_epochs: int, *, reached: bool) -> float:
    """
    Score a run by how soon, or how much, it succeeded.

    :param history: of the run
    :param n_epochs: its full budget
    :param reached: whether the run reached its target
    :return: in [1, 2) if reached, else in about [-0.001, 1]
    """
    if not history.epochs:
        return WORST_SCORE
    if reached:
        return 2.0 - len(history.epochs) / n_epochs
    values = history.column(EVAL_SUCCESS_RATE)
    if not values:
        return WORST_SCORE
    missing = max(0, n_epochs - len(values))
    mean = (sum(values) + missing * values[-1]) / (len(values) + missing)
    return mean - _DISTANCE_WEIGHT * _relative_distance(history)


def _relative_distance(history: MetricHistory) -> float:
    """Divide the last goal distance by the first, at most 1."""
    distances = history.column(EVAL_GOAL_DISTANCE)
    if not distances or distances[0] <= 0:
        return 0.0
    return min(1.0, distances[-1] / distances[0])


def column_score(history: MetricHistory, column: str, direction: Direction) -> float:
    """
    Score a run by the mean of any metric over its epochs, the sign such that more is better.

    :param history: of the run
    :param column: key of the metric
    :param direction: whether more or less of it is better
    :raises KeyError: if the metric never appeared
    """
    values = history.column(column)
    if not values:
        raise KeyError(column)
    mean = sum(values) / len(values)
    return mean if direction is Direction.maximize else -mean
