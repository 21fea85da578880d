"""Intervals: they hold what they promise for as few values as they are given for, or are not."""

import math

import numpy as np
import pytest

from tests.benchmarks import coverage
from util.statistics import (
    FEWEST,
    interquartile_mean,
    interval_text,
    iqm_interval,
    mean_interval,
    paired_share_interval,
    permutation_p_value,
    probability_of_improvement,
    ratio_interval,
    wilson_interval,
)

N = 500  # a share of 0.95 is drawn with a standard deviation of 0.01


@pytest.mark.parametrize("n", [FEWEST, 10])
@pytest.mark.parametrize("name", ["normal", "success rate near 0.9"])
@pytest.mark.parametrize("covers", [coverage.mean_covers, coverage.iqm_covers])
def test_intervals_of_runs_cover(covers, name: str, n: int):
    assert covers(coverage.RUNS[name], n, np.random.default_rng(0), N) >= 0.91


@pytest.mark.parametrize("n", [FEWEST, 10])
@pytest.mark.parametrize(
    ("covers", "truth"),
    [
        (coverage.improvement_covers, 0.0),
        (coverage.improvement_covers, 2.3),
        (coverage.share_covers, 0.9),
        (coverage.difference_covers, 0.0),
        (coverage.difference_covers, 0.1),
    ],
)
def test_intervals_of_shares_cover(covers, truth: float, n: int):
    assert covers(truth, n, np.random.default_rng(0), N) >= 0.9  # Wilson's, at 0.9 of 5: 0.92


@pytest.mark.parametrize("n", [FEWEST, 10])
def test_intervals_of_ratios_cover(n: int):
    assert coverage.ratio_covers(n, np.random.default_rng(0), N) >= 0.91


FEW = [0.1, 0.5, 0.3, 0.9][: FEWEST - 1]


@pytest.mark.parametrize(
    "ends",
    [
        mean_interval(FEW),
        ratio_interval(FEW, [*FEW, 1.0, 2.0]),
        iqm_interval([np.array(FEW)]),
        iqm_interval([np.arange(9.0), np.array(FEW)]),
        probability_of_improvement([np.array(FEW)], [np.arange(9.0)])[1:],
    ],
)
def test_of_too_few_there_is_no_interval(ends):
    assert np.isnan(ends).all()
    assert interval_text(float(ends[0]), float(ends[1])) == "(too few: no interval)"


def test_intervals_stay_where_values_can_be():
    assert mean_interval([1.0] * 6 + [0.4], least=0, most=1)[1] == 1
    assert mean_interval([1.0, 1.0, 1.0, 1.0, 30.0], least=0)[0] == 0
    shares = [wilson_interval(0, 10), wilson_interval(10, 10), paired_share_interval(6, 0, 6)]
    shares += [probability_of_improvement([np.arange(5.0) + 9], [np.arange(5.0)])[1:]]
    assert all(-1 <= low <= high <= 1 for low, high in shares)
    low, high = iqm_interval([np.array([1.0, 1, 1, 1, 1, 0.4])])
    assert 0.4 <= low <= high <= 1


@pytest.mark.parametrize(
    ("n_successes", "n_trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_wilson_interval(n_successes, n_trials, low, high):
    assert wilson_interval(n_successes, n_trials) == pytest.approx((low, high), abs=1e-4)


def test_intervals_refuse_nonsense():
    with pytest.raises(ValueError, match="11 successes in 10"):
        wilson_interval(11, 10)
    for call in (lambda: mean_interval([]), lambda: iqm_interval([])):
        with pytest.raises(ValueError, match="no values"):
            call()
    with pytest.raises(ValueError, match="no values"):
        ratio_interval([], [1])


def test_mean_interval():
    low, high = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    spread = 2.7764 * math.sqrt(2.5 / 5)  # Student's t with four degrees of freedom
    assert (low, high) == pytest.approx((3 - spread, 3 + spread), abs=1e-4)


def test_equal_agents_are_not_known_to_be_equal():
    low, high = paired_share_interval(0, 0, 20)
    assert low == pytest.approx(-high)
    assert 0.05 < high < 0.15


def test_interquartile_intervals_keep_tasks_apart():
    """Two tasks without any spread have no uncertainty, however far apart they are."""
    low, high = iqm_interval([np.zeros(5), np.ones(5)])
    assert (float(low), float(high)) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0], 3.0), ([0.0, 1.0, 2.0], 1.0), ([0.0, 1.0, 3.0, 100.0], 2.0), ([5.0] * 9, 5.0)],
)
def test_interquartile_mean(values, expected):
    assert interquartile_mean(np.array(values)) == expected


def test_probability_of_improvement():
    a, b = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([0.0, 2.0, 0.0, 2.0, 0.0])
    p, low, high = probability_of_improvement([a], [b])
    assert p == pytest.approx((15 + 3 * 2 + 0.5 * 2) / 25)
    assert low < p < high
    assert probability_of_improvement([a, b], [a, b])[0] == 0.5


@pytest.mark.parametrize(
    ("ours", "theirs", "p_value"),
    [
        ([5, 6], [1, 2], 1 / 6),  # the largest of six divisions
        ([1, 2], [5, 6], 1),
        ([3, 3], [3, 3], 1),
    ],
)
def test_permutation_test(ours: list[float], theirs: list[float], p_value: float):
    assert permutation_p_value(ours, theirs) == pytest.approx(p_value)


def test_the_interval_of_a_ratio():
    assert ratio_interval([2] * 5, [1] * 5) == (2, 2)
    low, high = ratio_interval([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert low < 1 < high == pytest.approx(1 / low)
