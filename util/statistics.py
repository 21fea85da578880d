"""
Intervals for the numbers that we report: at 95 %, or none.

``tests/benchmarks/coverage.py`` tells how often they hold the truth.
"""

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.optimize
import scipy.stats

FEWEST = 5
"""Of values for an interval: from fewer, none that covers 95 % would say anything."""

NO_INTERVAL = (math.nan, math.nan)

Z = 1.96
"""Quantile of the normal distribution for 95 %."""


def wilson_interval(n_successes: float, n_trials: int) -> tuple[float, float]:
    """
    Confidence interval (95 %) of a success probability (Wilson 1927), sound at 0 and 1 too.

    :param n_successes: number of successes, from 0 to ``n_trials``
    :param n_trials: number of independent trials, at least 1
    :return: lower and upper end, each in [0, 1]
    :raises ValueError: if the numbers do not belong together
    """
    if n_trials < 1 or not 0 <= n_successes <= n_trials:
        raise ValueError(f"no interval for {n_successes} successes in {n_trials} trials")
    share = n_successes / n_trials
    spread = Z * math.sqrt(share * (1 - share) / n_trials + Z**2 / (4 * n_trials**2))
    centre = share + Z**2 / (2 * n_trials)
    scale = 1 + Z**2 / n_trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def mean_interval(
    values: Sequence[float], least: float = -math.inf, most: float = math.inf
) -> tuple[float, float]:
    """
    Confidence interval (95 %) of a mean, by Student's t.

    :param values: at least one independent value
    :param least: that a mean can be
    :param most: that a mean can be
    :return: lower and upper end; NaN for fewer than ``FEWEST`` values
    :raises ValueError: if there is no value
    """
    if not values:
        raise ValueError("no interval of no values")
    if len(values) < FEWEST:
        return NO_INTERVAL
    mean = statistics.fmean(values)
    spread = _t(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return max(least, mean - spread), min(most, mean + spread)


def paired_share_interval(n_gained: int, n_lost: int, n_pairs: int) -> tuple[float, float]:
    """
    Confidence interval (95 %) of the difference of two shares of the same trials.

    With half a trial more of each outcome (Agresti & Min 2005), so that it holds for few trials
    and where hardly one differs.

    :param n_gained: trials that succeed in the first sample only
    :param n_lost: trials that succeed in the second one only
    :param n_pairs: trials, at least 1
    :return: lower and upper end, in [-1, 1]
    """
    n, gained, lost = n_pairs + 2, n_gained + 0.5, n_lost + 0.5
    difference = (gained - lost) / n
    spread = Z * math.sqrt(gained + lost - (gained - lost) ** 2 / n) / n
    return max(-1.0, difference - spread), min(1.0, difference + spread)


def interquartile_mean(values: np.ndarray, axis: int = -1) -> Any:
    """
    Average the middle half of the values, robust and yet precise (Agarwal et al. 2021, IQM).

    :param values: numbers; of fewer than four, all count
    :param axis: to average over
    """
    return scipy.stats.trim_mean(values, 0.25, axis=axis)


def iqm_interval(
    strata: Sequence[np.ndarray], n_resamples: int = 2000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """
    Confidence interval (95 %) of the interquartile mean, by resampling runs within each stratum.

    Stratified as in Agarwal et al. 2021, section 4: a stratum holds the runs of one task, so that
    every resample contains each task as often as the sample does. Percentiles of resamples are too
    close together for few runs; they are taken as far apart as Student's t and the variance of a
    small sample ask for (Hesterberg 2015, section 5.3).

    :param strata: one array (..., n_runs) per task; leading dimensions (e.g. steps) are shared
    :param n_resamples: how many
    :param seed: of the resampling, so that the same runs give the same interval
    :return: lower and upper end, each (...); NaN if a stratum has fewer than ``FEWEST`` runs
    :raises ValueError: if a stratum has no run
    """
    sizes = [stratum.shape[-1] for stratum in strata]
    if not sizes or min(sizes) == 0:
        raise ValueError("no interval of no values")
    if min(sizes) < FEWEST:
        nothing = np.full(strata[0].shape[:-1], np.nan)
        return nothing, nothing
    rng = np.random.default_rng(seed)
    resampled = [
        stratum[..., rng.integers(n, size=(n_resamples, n))]
        for stratum, n in zip(strata, sizes, strict=True)
    ]
    found = interquartile_mean(np.concatenate(resampled, axis=-1))
    widening = math.sqrt(min(sizes) / (min(sizes) - 1)) * _t(sum(sizes) - len(sizes))
    tail = float(scipy.stats.norm.cdf(-widening))
    return np.quantile(found, tail, axis=-1), np.quantile(found, 1 - tail, axis=-1)


def probability_of_improvement(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray]
) -> tuple[float, float, float]:
    """
    Probability that a run of ``first`` beats one of ``second`` on the same task (ties: half).

    Mann-Whitney's U over n*m, averaged over tasks (Agarwal et al. 2021, section 4.3), with the
    interval (95 %) of Newcombe 2006 (method 5), which holds where one always beats the other;
    those of several tasks are put together as Zou & Donner 2008 do.

    :param first: scores (n_runs,) per task, higher is better
    :param second: scores per task, in the same order
    :return: probability, lower and upper end; these are NaN where there are fewer than ``FEWEST``
        runs
    :raises ValueError: if the tasks do not pair
    """
    if not first or len(first) != len(second):
        raise ValueError(f"{len(first)} tasks cannot be compared with {len(second)}")
    pairs = list(zip(first, second, strict=True))
    shares = [float(np.mean(np.sign(a[:, None] - b[None, :]) + 1) / 2) for a, b in pairs]
    mean = statistics.fmean(shares)
    if min(len(group) for pair in pairs for group in pair) < FEWEST:
        return (mean, *NO_INTERVAL)
    ends = [_share_of_wins(p, len(a), len(b)) for p, (a, b) in zip(shares, pairs, strict=True)]
    below, above = (
        math.hypot(*(end[side] - p for end, p in zip(ends, shares, strict=True))) / len(pairs)
        for side in (0, 1)
    )
    return mean, max(0.0, mean - below), min(1.0, mean + above)


def _share_of_wins(share: float, n_first: int, n_second: int) -> tuple[float, float]:
    """Solve for the shares that lie as far from the one found as their own spread allows."""

    def excess(true: float) -> float:
        more = (n_first + n_second) / 2 - 1
        inflation = 1 + more * ((1 - true) / (2 - true) + true / (1 + true))
        return (true - share) ** 2 - Z**2 * true * (1 - true) * inflation / (n_first * n_second)

    low = 0.0 if share <= 0 else scipy.optimize.brentq(excess, 0, share - 1e-9)
    high = 1.0 if share >= 1 else scipy.optimize.brentq(excess, share + 1e-9, 1)
    return low, high


def ratio_interval(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """
    Confidence interval (95 %) of a ratio of means, by Welch's t on the logarithms.

    :param ours: independent positive values
    :param theirs: independent positive values, of a group of their own
    :return: lower and upper end; NaN if a group has fewer than ``FEWEST`` values
    :raises ValueError: if a group is empty
    """
    if not ours or not theirs:
        raise ValueError("no interval of no values")
    if min(len(ours), len(theirs)) < FEWEST:
        return NO_INTERVAL
    means = [statistics.fmean(group) for group in (ours, theirs)]
    parts = [
        statistics.variance(group) / (len(group) * mean**2)
        for group, mean in zip((ours, theirs), means, strict=True)
    ]
    ratio = means[0] / means[1]
    if sum(parts) == 0:
        return ratio, ratio
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(group) - 1) for part, group in zip(parts, (ours, theirs), strict=True)
    )
    factor = math.exp(_t(freedom) * math.sqrt(sum(parts)))
    return ratio / factor, ratio * factor


def interval_text(low: float, high: float, form: str = ".3f") -> str:
    """
    Write an interval, or why there is none.

    :param low: lower end, NaN if there is no interval
    :param high: upper end
    :param form: of both, as in ``format``
    """
    return "(too few: no interval)" if math.isnan(low) else f"[{low:{form}}, {high:{form}}]"


def _t(freedom: float) -> float:
    return float(scipy.stats.t.ppf(0.975, freedom))


def permutation_p_value(ours: list[float], theirs: list[float]) -> float:
    """
    Test whether our values are larger: the exact one-sided permutation test of the means.

    :param ours: at most some ten values: every division of all values in two groups is looked at
    :param theirs: likewise
    :return: share of the divisions in which the first group is as large as ours, or larger
    :raises ValueError: if a group is empty
    """
    if not ours or not theirs:
        raise ValueError("no test of no values")
    total = math.fsum(ours)
    sums = [math.fsum(group) for group in itertools.combinations([*ours, *theirs], len(ours))]
    return sum(value >= total - 1e-9 * abs(total) for value in sums) / len(sums)
