"""Intervals for the numbers that we report."""

import itertools
import math
import random
import statistics


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


def ratio_interval(
    ours: list[float], theirs: list[float], n_resamples: int = 10_000
) -> tuple[float, float]:
    """
    Confidence interval (95 %) of a ratio of means, by the percentile bootstrap, the same each time.

    :param ours: independent positive values
    :param theirs: independent positive values, of a group of their own
    :param n_resamples: of each group, with replacement
    :return: lower and upper end
    :raises ValueError: if a group is empty
    """
    if not ours or not theirs:
        raise ValueError("no interval of no values")
    rng = random.Random(0)
    ratios = sorted(
        statistics.fmean(rng.choices(ours, k=len(ours)))
        / statistics.fmean(rng.choices(theirs, k=len(theirs)))
        for _ in range(n_resamples)
    )
    return ratios[int(0.025 * n_resamples)], ratios[int(0.975 * n_resamples)]


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
