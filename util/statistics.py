"""Intervals for the numbers that we report."""

import math

import numpy as np
from scipy.stats import trim_mean

_N_RESAMPLES = 2000


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


def iqm_interval(
    values: list[float], level: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """
    Interquartile mean with a bootstrap interval (Agarwal et al. 2021, section 4).

    :param values: at least one independent value
    :param level: of confidence
    :param seed: of the resampling
    :return: the mean of the middle half, lower and upper end
    """
    data = np.asarray(values, float)
    drawn = np.random.default_rng(seed).choice(data, (_N_RESAMPLES, len(data)))
    means = trim_mean(drawn, 0.25, axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(trim_mean(data, 0.25)), float(low), float(high)
