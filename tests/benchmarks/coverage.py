"""
How often the intervals that we print hold the truth, for as few runs as they are printed for.

``python tests/benchmarks/coverage.py`` draws experiments whose truth is known and prints a table.
"""

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[2])

from util.statistics import (  # noqa: E402
    interquartile_mean,
    iqm_interval,
    mean_interval,
    paired_share_interval,
    probability_of_improvement,
    ratio_interval,
    wilson_interval,
)

N_RUNS = (5, 10, 20)
Draw = Callable[[np.random.Generator, int], np.ndarray]

# of one number of a run: a return, the steps to a target, a success rate of 20 episodes
RUNS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "log-normal": lambda rng, n: rng.lognormal(0, 0.5, n),
    "success rate near 0.9": lambda rng, n: rng.binomial(20, rng.beta(18, 2, n)) / 20,
}


def mean_covers(draw: Draw, n: int, rng: np.random.Generator, n_experiments: int) -> float:
    """Return how often the interval of a mean holds it."""
    truth = draw(rng, 400_000).mean()
    return _share(
        [mean_interval(draw(rng, n).tolist()) for _ in range(n_experiments)], float(truth)
    )


def iqm_covers(draw: Draw, n: int, rng: np.random.Generator, n_experiments: int) -> float:
    """Return how often the interval of an interquartile mean holds it."""
    truth = interquartile_mean(draw(rng, 400_000))
    return _share([iqm_interval([draw(rng, n)]) for _ in range(n_experiments)], float(truth))


def ratio_covers(n: int, rng: np.random.Generator, n_experiments: int) -> float:
    """Return how often the interval of a ratio of means holds it: steps to a target."""
    pairs = [[rng.lognormal(0, 0.3, n).tolist() for _ in "12"] for _ in range(n_experiments)]
    return _share([ratio_interval(*pair) for pair in pairs], 1.0)


def improvement_covers(shift: float, n: int, rng: np.random.Generator, n_experiments: int) -> float:
    """Return how often the interval of a probability of improvement holds it."""
    truth = statistics.NormalDist().cdf(shift / 2**0.5)
    found = [
        probability_of_improvement([rng.normal(shift, 1, n)], [rng.normal(0, 1, n)])[1:]
        for _ in range(n_experiments)
    ]
    return _share(found, truth)


def share_covers(truth: float, n: int, rng: np.random.Generator, n_experiments: int) -> float:
    """Return how often Wilson's interval holds the share of episodes that succeed."""
    successes = rng.binomial(n, truth, n_experiments)
    return _share([wilson_interval(int(one), n) for one in successes], truth)


def difference_covers(truth: float, n: int, rng: np.random.Generator, n_experiments: int) -> float:
    """Return how often the interval of a paired difference holds it, where ``truth`` is gained."""
    counts = rng.multinomial(n, [truth + 0.02, 0.02, 0.96 - truth], n_experiments)
    found = [paired_share_interval(int(one[0]), int(one[1]), n) for one in counts]
    return _share(found, truth)


def _share(intervals: list, truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in intervals]))


def main(n_experiments: int = 2000) -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    rows: list[tuple[str, Callable[..., float], tuple[Any, ...]]] = []
    for name, draw in RUNS.items():
        rows += [(f"mean, {name}", mean_covers, (draw,)), (f"IQM, {name}", iqm_covers, (draw,))]
    rows.append(("ratio of means, log-normal", ratio_covers, ()))
    for shift in (0.0, 1.2, 2.3):
        truth = statistics.NormalDist().cdf(shift / 2**0.5)
        rows.append((f"P(better), truth {truth:.2f}", improvement_covers, (shift,)))
    for truth in (0.5, 0.9):
        rows.append((f"success of n episodes, truth {truth}", share_covers, (truth,)))
    for truth in (0.0, 0.1):
        rows.append((f"paired difference of success, truth {truth}", difference_covers, (truth,)))
    print("| interval of |" + "".join(f" n = {n} |" for n in N_RUNS))
    print("|---|" + "---|" * len(N_RUNS))
    for name, covers, given in rows:
        shares = [covers(*given, n, rng, n_experiments) for n in N_RUNS]
        print(f"| {name} |" + "".join(f" {share:.2f} |" for share in shares), flush=True)


if __name__ == "__main__":
    main()
