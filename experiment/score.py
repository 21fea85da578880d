"""
The objective of a search: one pure function of a run's metrics.

A run that reached its target scores ``2 - steps / budget``: from 1 to 2, faster is better. Any
other run scores its mean success, as if its last value had lasted until the end of the budget, so
that a run that was cut short is not compared as if it had run out; minus a thousandth of its
relative goal distance, which orders runs that never succeeded.
"""

import math
from typing import Any

from omegaconf import DictConfig, ListConfig

from experiment.metric_history import MetricHistory
from interface.config import Direction
from interface.errors import UserError, unknown_name
from interface.metrics import EVAL_GOAL_DISTANCE, EVAL_SUCCESS_RATE
from interface.result import Status

WORST_SCORE = -1.0
"""Of a run that diverged or was never evaluated: below any other run's success score."""

_DISTANCE_WEIGHT = 0.001

_CENSORED_BONUS = 0.001
"""A capped run was not seen to fail: it ranks before one that failed with the same success."""


def scores(cfg: DictConfig, history: MetricHistory, status: Status) -> tuple[float, ...]:
    """
    Score a run by each criterion of its config.

    :param cfg: the main config
    :param history: of the run
    :param status: how it ended
    :return: higher is better
    :raises UserError: if there are not as many directions as criteria
    """
    return tuple(
        criterion_score(criterion, direction, cfg.n_epochs, history, status)
        for criterion, direction in criteria(cfg)
    )


def criteria(cfg: DictConfig) -> list[tuple[str, Direction]]:
    """
    List what a search optimises.

    :param cfg: the main config
    :raises UserError: if there are not as many directions as criteria, or one is no direction
    """
    names, directions = _listed(cfg.hyperopt_criterion), _listed(cfg.hyperopt_direction)
    if len(directions) == 1:
        directions *= len(names)
    if len(names) != len(directions):
        raise UserError(
            f"hyperopt_direction={directions} must be one direction, or one for each of {names}"
        )
    known = [one.value for one in Direction]
    for direction in directions:
        if direction not in known:
            raise unknown_name("hyperopt_direction", direction, known)
    return [(name, Direction(one)) for name, one in zip(names, directions, strict=True)]


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | ListConfig) else [str(value)]


def criterion_score(
    criterion: str, direction: Direction, n_epochs: int, history: MetricHistory, status: Status
) -> float:
    """
    Score a run by one criterion.

    :param criterion: key of the metric
    :param direction: whether more or less of it is better
    :param n_epochs: full budget of the run
    :param history: of the run
    :param status: how it ended
    """
    by_success = criterion == EVAL_SUCCESS_RATE
    if status is Status.DIVERGED or not history.epochs:
        return WORST_SCORE if by_success else -math.inf
    if not by_success:
        return column_score(history, criterion, direction)
    bonus = _CENSORED_BONUS if status is Status.CAPPED else 0.0
    return success_score(history, n_epochs, reached=status is Status.SUCCESS) + bonus


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
