"""The table beside a picture: final values, values over the run, and who beats whom."""

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from experiment.plotting.grouping import Groups
from experiment.plotting.run_data import RunData
from interface.result import Status
from util.statistics import (
    FEWEST,
    interquartile_mean,
    interval_text,
    iqm_interval,
    probability_of_improvement,
)

_MOST_PAIRS = 10

# by environment, then by group: one number per run
Scores = dict[str, dict[str, np.ndarray]]
ScoreOfRun = Callable[[RunData, str, float], float]


@dataclass(frozen=True)
class Row:
    """
    A line of the table.

    :param env: environment, or how many
    :param group: label
    :param metric: key
    :param n_runs: with this metric
    :param final: IQM of the last values, lower and upper end of its 95 % interval (NaN: too few)
    :param mean: the same of each run's mean over its budget
    """

    env: str
    group: str
    metric: str
    n_runs: int
    final: tuple[float, float, float]
    mean: tuple[float, float, float]


def rows_of(groups: Groups, metric: str, n_resamples: int) -> list[Row]:
    """
    Sum up each group on each environment, and over all environments that all groups have seen.

    :param groups: of runs
    :param metric: key
    :param n_resamples: of the bootstrap
    """
    final = scores_of(groups, metric, final_value)
    mean = scores_of(groups, metric, mean_value)
    rows = [
        Row(
            env,
            label,
            metric,
            len(values),
            _iqm([values], n_resamples),
            _iqm([mean[env][label]], n_resamples),
        )
        for env, by_label in final.items()
        for label, values in by_label.items()
    ]
    return rows + _rows_over_envs(groups, metric, final, mean, n_resamples)


def _rows_over_envs(
    groups: Groups, metric: str, final: Scores, mean: Scores, n_resamples: int
) -> list[Row]:
    """Only shares are comparable between environments; returns and distances are not."""
    if len(final) < 2 or "success" not in metric:
        return []
    return [
        Row(
            f"all {len(final)}",
            label,
            metric,
            sum(len(by_label[label]) for by_label in final.values()),
            _iqm([by_label[label] for by_label in final.values()], n_resamples),
            _iqm([by_label[label] for by_label in mean.values()], n_resamples),
        )
        for label in groups
        if all(label in by_label for by_label in final.values())
    ]


def _iqm(strata: list[np.ndarray], n_resamples: int) -> tuple[float, float, float]:
    low, high = iqm_interval(strata, n_resamples)
    return float(interquartile_mean(np.concatenate(strata))), float(low), float(high)


def scores_of(groups: Groups, metric: str, score: ScoreOfRun) -> Scores:
    """
    Score every run that has a metric.

    :param groups: of runs
    :param metric: key
    :param score: of a run, given the budget of its environment
    """
    having = [run for runs in groups.values() for run in runs if _has(run, metric)]
    budget: dict[str, float] = {}
    for run in having:
        budget[run.env] = max(budget.get(run.env, 0.0), run.series[metric].steps[-1])
    scores: Scores = {env: {} for env in sorted(budget)}
    for label, runs in groups.items():
        for env in scores:
            here = [run for run in runs if run.env == env and _has(run, metric)]
            values = [score(run, metric, budget[env]) for run in here]
            if values:
                scores[env][label] = np.array(values)
    return scores


def _has(run: RunData, metric: str) -> bool:
    return metric in run.series and len(run.series[metric].values) > 0


def final_value(run: RunData, metric: str, budget: float) -> float:  # noqa: ARG001
    """
    Take the last value of a run.

    :param run: with the metric
    :param metric: key
    :param budget: not used
    """
    return float(run.series[metric].values[-1])


def mean_value(run: RunData, metric: str, budget: float) -> float:
    """
    Average a run, one that was good enough as if its last value had lasted to the budget's end.

    :param run: with the metric
    :param metric: key
    :param budget: environment steps of the longest run on this environment
    """
    steps, values = run.series[metric].steps, run.series[metric].values
    lengths = np.diff(steps, prepend=0.0)
    if run.status == Status.SUCCESS.value:
        lengths = np.append(lengths, budget - steps[-1])
        values = np.append(values, values[-1])
    return float(np.average(values, weights=lengths)) if lengths.sum() > 0 else float(values[-1])


def improvements(groups: Groups, metric: str, lower_is_better: Collection[str]) -> list[str]:
    """
    Say for each pair of groups how probably a run of one beats a run of the other.

    :param groups: of runs
    :param metric: key
    :param lower_is_better: metrics of which less is better
    :return: one line per pair, of at most ten pairs
    """
    sign = -1.0 if metric in lower_is_better else 1.0
    scores = scores_of(groups, metric, mean_value)
    lines = []
    for first, second in itertools.combinations(groups, 2):
        shared = [by_label for by_label in scores.values() if {first, second} <= set(by_label)]
        few = min((len(by_label[one]) for by_label in shared for one in (first, second)), default=0)
        if shared and few < FEWEST:
            lines.append(f"P({first} better than {second}): needs {FEWEST} runs of each, got {few}")
        elif shared:
            p, low, high = probability_of_improvement(
                [sign * by_label[first] for by_label in shared],
                [sign * by_label[second] for by_label in shared],
            )
            interval = interval_text(low, high, ".2f")
            lines.append(f"P({first} better than {second}) = {p:.2f} {interval}")
    return lines[:_MOST_PAIRS]
