"""Say what test episodes tell: means with intervals, every goal, and two agents compared."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from envs.episode_recorder import Episode
from util.statistics import (
    interval_text,
    mean_interval,
    paired_share_interval,
    wilson_interval,
)

_MOST_MISSED = 5
_COLUMNS = ("success", "success_ever", "episode_return", "length", "goal_distance")
_TITLES = {
    "success": "success at the last step",
    "success_ever": "success at any step",
    "episode_return": "return",
    "length": "length",
    "goal_distance": "final goal distance",
}


def report_lines(episodes: Sequence[Episode]) -> list[str]:
    """
    Say mean and 95 % interval of everything that the episodes tell.

    :param episodes: at least one
    """
    lines = [f"{len(episodes)} episodes, 95 % intervals:"]
    for column in _COLUMNS:
        values = _known(episodes, column)
        if values is None:
            continue
        mean = statistics.fmean(values)
        interval = _interval(episodes, column, values)
        lines.append(f"  {_TITLES[column]:25s} {mean:8.3f}  {interval}")
    return lines + _missed_lines(episodes)


def _interval(episodes: Sequence[Episode], column: str, values: Sequence[float]) -> str:
    """Say where the mean of a column lies, within what is possible."""
    if column.startswith("success"):
        return interval_text(*wilson_interval(sum(values), len(values)))
    if column == "episode_return":
        return interval_text(*mean_interval(values, *_possible_returns(episodes)))
    return interval_text(*mean_interval(values, least=0))


def _possible_returns(episodes: Sequence[Episode]) -> tuple[float, float]:
    """Bound returns by what the rewards that were seen can add up to in the longest episode."""
    longest = max(episode.length for episode in episodes)
    least = min(episode.rewards[0] for episode in episodes)
    most = max(episode.rewards[1] for episode in episodes)
    return longest * min(least, 0.0), longest * max(most, 0.0)


def baseline_lines(by_name: Mapping[str, Sequence[Episode]]) -> list[str]:
    """
    Say what agents without any skill get.

    :param by_name: their episodes, at least one each
    """
    n_episodes = len(next(iter(by_name.values())))
    lines = [f"without skill, on the first {n_episodes} of these episodes:"]
    for name, episodes in by_name.items():
        column = "episode_return" if _known(episodes, "success") is None else "success"
        values = _known(episodes, column)
        assert values is not None
        mean, interval = statistics.fmean(values), _interval(episodes, column, values)
        title = f"{_TITLES[column]}, {name}"
        lines.append(f"  {title:39s} {mean:8.3f}  {interval}")
    return lines


def _known(episodes: Sequence[Episode], column: str) -> list[float] | None:
    """Read a column; None if the environment does not tell it."""
    values: list[Any] = [getattr(episode, column) for episode in episodes]
    return None if any(value is None for value in values) else [float(value) for value in values]


def _missed_lines(episodes: Sequence[Episode]) -> list[str]:
    """Name the goals that were missed by most."""
    missed = [one for one in episodes if one.success is False and one.goal_distance is not None]
    missed.sort(key=lambda episode: -(episode.goal_distance or 0.0))
    lines = [
        f"  missed goal ({', '.join(f'{x:.3f}' for x in one.goal)}) by {one.goal_distance:.3f}"
        for one in missed[:_MOST_MISSED]
    ]
    more = len(missed) - len(lines)
    return [*lines, f"  and {more} more"] if more > 0 else lines


def goal_table(episodes: Sequence[Episode]) -> str:
    """
    Write one row per goal, as CSV.

    :param episodes: at least one; the goals of the same list are the same for every run
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    n_numbers = max(len(episode.goal) for episode in episodes)
    writer.writerow(["episode", *(f"goal_{i}" for i in range(n_numbers)), *_COLUMNS])
    for number, episode in enumerate(episodes):
        values = [getattr(episode, column) for column in _COLUMNS]
        writer.writerow([number, *episode.goal, *values])
    return text.getvalue()


def comparison_lines(first: Sequence[Episode], second: Sequence[Episode]) -> list[str]:
    """
    Compare two agents goal by goal: the difference of two means hides that goals are the same.

    :param first: episodes of one agent
    :param second: of the other, on the same goals in the same order
    """
    lines = ["this run minus the other, goal by goal, 95 % intervals of the paired difference:"]
    for column in _COLUMNS:
        ours, theirs = _known(first, column), _known(second, column)
        if ours is None or theirs is None:
            continue
        differences = [a - b for a, b in zip(ours, theirs, strict=True)]
        interval = (
            paired_share_interval(differences.count(1), differences.count(-1), len(differences))
            if column.startswith("success")
            else mean_interval(differences)
        )
        mean = statistics.fmean(differences)
        lines.append(f"  {_TITLES[column]:25s} {mean:+8.3f}  {interval_text(*interval, '+.3f')}")
    return lines
