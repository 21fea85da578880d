"""Reduce the runs of a group to one curve with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiment.plotting.run_data import RunData, Series
from interface.result import Status
from util.statistics import FEWEST, interquartile_mean, iqm_interval

_MOST_POINTS = 200


@dataclass(frozen=True)
class Curve:
    """
    Interquartile mean over runs, and its 95 % interval.

    :param label: of the group
    :param x: steps or minutes (n,)
    :param centre: (n,)
    :param low: lower end of the interval (n,); NaN where there are too few runs
    :param high: upper end (n,)
    :param n_runs: how many runs each point rests on (n,)
    :param ends: x and value of each run's last evaluation (n_runs of the group, 2)
    """

    label: str
    x: np.ndarray
    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_runs: np.ndarray
    ends: np.ndarray


def curve_of(
    label: str, runs: Sequence[RunData], metric: str, x: str, n_resamples: int
) -> Curve | None:
    """
    Reduce a group.

    Runs are interpolated to the union of their evaluations. A run that stopped because it was good
    enough keeps its last value, or else the slow seeds alone would decide the end of the curve; any
    other run just ends.

    :param label: of the group
    :param runs: of one environment
    :param metric: key
    :param x: steps or minutes
    :param n_resamples: of the bootstrap
    :return: the curve; None if no run has the metric, or none has such an x
    """
    pairs = [(_x_of(run.series[metric], x), run) for run in runs if metric in run.series]
    pairs = [(places, run) for places, run in pairs if len(places) and np.isfinite(places).all()]
    if not pairs:
        return None
    grid = np.unique(np.concatenate([places for places, _ in pairs]))
    if len(grid) > _MOST_POINTS:
        grid = np.linspace(grid[0], grid[-1], _MOST_POINTS)
    values = np.stack(
        [_on_grid(grid, places, run.series[metric].values, run) for places, run in pairs], axis=1
    )
    low, high = _intervals(values, n_resamples)
    return Curve(
        label=label,
        x=grid,
        centre=np.array([interquartile_mean(row[np.isfinite(row)]) for row in values]),
        low=low,
        high=high,
        n_runs=np.isfinite(values).sum(axis=1),
        ends=np.array([[places[-1], run.series[metric].values[-1]] for places, run in pairs]),
    )


def _x_of(series: Series, x: str) -> np.ndarray:
    return series.steps if x == "steps" else series.minutes


def _on_grid(grid: np.ndarray, places: np.ndarray, values: np.ndarray, run: RunData) -> np.ndarray:
    held = values[-1] if run.status == Status.SUCCESS.value else np.nan
    on_grid = np.interp(grid, places, values, left=np.nan)
    return np.where(grid > places[-1], held, on_grid)


def _intervals(values: np.ndarray, n_resamples: int) -> tuple[np.ndarray, np.ndarray]:
    """Resample, at each point, the runs that are there; (n_points, n_runs)."""
    present = np.isfinite(values)
    low, high = np.full(len(values), np.nan), np.full(len(values), np.nan)
    for pattern in np.unique(present, axis=0):
        rows = (present == pattern).all(axis=1)
        if pattern.sum() >= FEWEST:
            low[rows], high[rows] = iqm_interval([values[np.ix_(rows, pattern)]], n_resamples)
    return low, high
