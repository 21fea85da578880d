"""Intervals for the numbers that we report."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.stats


def wilson_interval(n_successes: float, n_trials: int, z: float = 1.96) -> tuple[float, float]:
    """
    Confidence interval of a success probability (Wilson 1927), sound at 0 and 1 too.

    :param n_successes: number of successes, from 0 to ``n_trials``
    :param n_trials: number of independent trials, at least 1
    :param z: quantile of the normal distribution; 1.96 gives 95 %
    :return: lower and upper end, each in [0, 1]
    :raises ValueError: if the numbers do not belong together
    """
    if n_trials < 1 or not 0 <= n_successes <= n_trials:
        raise ValueError(f"no interval for {n_successes} successes in {n_trials} trials")
    share = n_successes / n_trials
    spread = z * math.sqrt(share * (1 - share) / n_trials + z**2 / (4 * n_trials**2))
    centre = share + z**2 / (2 * n_trials)
    scale = 1 + z**2 / n_trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def mean_interval(values: list[float], z: float = 1.96) -> tuple[float, float]:
    """
    Confidence interval of a mean by the normal approximation.

    :param values: at least one independent value
    :param z: quantile of the normal distribution; 1.96 gives 95 %
    :return: lower and upper end; both equal the value if there is only one
    :raises ValueError: if there is no value
    """
    if not values:
        raise ValueError("no interval of no values")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, mean
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    spread = z * math.sqrt(variance / len(values))
    return mean - spread, mean + spread


def interquartile_mean(values: np.ndarray, axis: int = -1) -> Any:
    """
    Average the middle half of the values, robust and yet precise (Agarwal et al. 2021, IQM).

    :param values: numbers; of fewer than four, all count
    :param axis: to average over
    """
    return scipy.stats.trim_mean(values, 0.25, axis=axis)


def bootstrap_interval(
    strata: Sequence[np.ndarray],
    statistic: Callable[[np.ndarray], np.ndarray] = interquartile_mean,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Percentile interval by resampling runs with replacement within each stratum.

    Stratified as in Agarwal et al. 2021, section 4: a stratum holds the runs of one task, so that
    every resample contains each task as often as the sample does.

    :param strata: one array (..., n_runs) per task; leading dimensions (e.g. steps) are shared
    :param statistic: of the joined runs, over the last axis
    :param n_resamples: how many
    :param level: share of resamples inside the interval
    :param seed: of the resampling, so that the same runs give the same interval
    :return: lower and upper end, each (...)
    :raises ValueError: if a stratum has no run
    """
    if not strata or any(stratum.shape[-1] == 0 for stratum in strata):
        raise ValueError("no interval of no values")
    rng = np.random.default_rng(seed)
    resampled = []
    for stratum in strata:
        n_runs = stratum.shape[-1]
        chosen = rng.integers(n_runs, size=(n_resamples, n_runs))
        resampled.append(stratum[..., chosen])
    statistics = statistic(np.concatenate(resampled, axis=-1))
    tail = (1 - level) / 2
    return np.quantile(statistics, tail, axis=-1), np.quantile(statistics, 1 - tail, axis=-1)


def probability_of_improvement(
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float, float]:
    """
    Probability that a run of ``first`` beats one of ``second`` on the same task (ties: half).

    Mann-Whitney's U over n*m, averaged over tasks (Agarwal et al. 2021, section 4.3).

    :param first: scores (n_runs,) per task, higher is better
    :param second: scores per task, in the same order
    :param n_resamples: of the bootstrap, stratified by task
    :param level: of the interval
    :param seed: of the resampling
    :return: probability, lower and upper end
    :raises ValueError: if the tasks do not pair
    """
    if not first or len(first) != len(second):
        raise ValueError(f"{len(first)} tasks cannot be compared with {len(second)}")
    rng = np.random.default_rng(seed)
    wins, resampled = [], []
    for a, b in zip(first, second, strict=True):
        won = (np.sign(a[:, None] - b[None, :]) + 1) / 2
        wins.append(won.mean())
        rows = rng.integers(len(a), size=(n_resamples, len(a), 1))
        columns = rng.integers(len(b), size=(n_resamples, 1, len(b)))
        resampled.append(won[rows, columns].mean(axis=(1, 2)))
    means = np.mean(resampled, axis=0)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(np.mean(wins)), float(low), float(high)
