"""The rows of the performance matrix, one YAML each: ``conf/performance/<row>.yaml``."""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from scipy.stats import betabinom

from interface.errors import UserError, unknown_name
from interface.resolvers import REPOSITORY

PERFORMANCE = REPOSITORY / "conf" / "performance"


@dataclass(frozen=True)
class PerformanceRow:
    """
    An agent, an environment, and what it is known to reach.

    :param name: that of the file
    :param env: environment id
    :param algorithm: of ``conf/algorithm``
    :param n_steps: budget of a run
    :param eval_after_n_steps: between two evaluations
    :param metric: of ``evaluations.csv``
    :param threshold: that the mean of the last evaluations must reach
    :param required: seeds that must reach it
    :param seeds: that are run
    :param minutes: expected of one run, on one core of the machine that measured it
    :param steps_per_second: recorded there, evaluations included
    :param measured: how many seeds reached the threshold when it was set, and of how many
    :param source: where the threshold comes from
    :param overrides: of the run
    :param last_n: evaluations in the mean
    :param n_test_rollouts: episodes of an evaluation
    :param nightly: left out unless asked for
    """

    name: str
    env: str
    algorithm: str
    n_steps: int
    eval_after_n_steps: int
    metric: str
    threshold: float
    required: int
    seeds: list[int]
    minutes: float
    steps_per_second: float
    measured: list[int]
    source: str
    overrides: list[str] = field(default_factory=list)
    last_n: int = 2
    n_test_rollouts: int = 20
    nightly: bool = False

    @property
    def false_alarm(self) -> float:
        """
        How probably the row fails although nothing has changed.

        Seeds pass with an unknown chance, uniform before the measured seeds were seen; the number
        that passes is then beta-binomial.
        """
        passed, tried = self.measured
        chance = betabinom(len(self.seeds), passed + 1, tried - passed + 1)
        return float(chance.cdf(self.required - 1))


def load_rows(folder: Path = PERFORMANCE) -> list[PerformanceRow]:
    """
    Read the performance matrix.

    :param folder: of YAML files, read with its subfolders
    :raises UserError: if a row is incomplete, says something unknown, or its name is there twice
    """
    paths = sorted(folder.rglob("*.yaml"))
    if not paths:
        raise UserError(f"the matrix is empty: {folder} holds no YAML")
    seen: dict[str, Path] = {}
    for path in paths:
        if path.stem in seen:
            raise UserError(f"two rows are named {path.stem}: {seen[path.stem]} and {path}")
        seen[path.stem] = path
    return [read_row(path) for path in paths]


def read_row(path: Path) -> PerformanceRow:
    """
    Read one row.

    :param path: of its YAML
    :raises UserError: if it is incomplete or says something unknown
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a row: it must be a mapping of names to values")
    _check_names(path, content)
    row = PerformanceRow(name=path.stem, **content)
    _check_values(path, row)
    return row


def _check_names(path: Path, content: dict[str, Any]) -> None:
    known = [one for one in fields(PerformanceRow) if one.name != "name"]
    for name in content:
        if name not in [one.name for one in known]:
            raise unknown_name(f"key of {path}", name, [one.name for one in known])
    for one in known:
        optional = one.default is not MISSING or one.default_factory is not MISSING
        if one.name not in content and not optional:
            raise UserError(f"{path} does not say {one.name}")


def _check_values(path: Path, row: PerformanceRow) -> None:
    if not isinstance(row.threshold, int | float) or isinstance(row.threshold, bool):
        raise UserError(f"{path}: threshold={row.threshold!r} must be a number")
    if len(set(row.seeds)) < max(1, len(row.seeds)):
        raise UserError(f"{path}: seeds={row.seeds} must be different numbers, at least one")
    if not 1 <= row.required <= len(row.seeds):
        raise UserError(
            f"{path}: required={row.required} must be from 1 to {len(row.seeds)}, the seeds"
        )
    if row.eval_after_n_steps < 1 or row.n_steps % row.eval_after_n_steps:
        raise UserError(
            f"{path}: n_steps={row.n_steps} must be a multiple of "
            f"eval_after_n_steps={row.eval_after_n_steps}"
        )
    if len(row.measured) != 2 or not 0 <= row.measured[0] <= row.measured[1]:
        raise UserError(f"{path}: measured={row.measured} must be [seeds that passed, seeds]")


def performance_command(row: PerformanceRow, seed: int, folder: Path) -> tuple[str, ...]:
    """
    Write the command of one seed, which anybody may run by hand.

    :param row: the row
    :param seed: of the run
    :param folder: of the run
    """
    settings = {
        "env": row.env,
        "algorithm": row.algorithm,
        "seed": seed,
        "n_epochs": row.n_steps // row.eval_after_n_steps,
        "eval_after_n_steps": row.eval_after_n_steps,
        "n_test_rollouts": row.n_test_rollouts,
        "early_stop_data_column": row.metric,
        "early_stop_threshold": row.threshold,
        "early_stop_last_n": row.last_n,
        "n_threads": 1,  # with more, or with overlap, a seed gives other numbers
        "overlap": "false",
        "tracking": "none",
        "hydra.run.dir": folder,
    }
    return training(row.overrides, settings)


def training(overrides: Sequence[str], settings: dict[str, Any]) -> tuple[str, ...]:
    """
    Write a command that trains.

    :param overrides: as in a YAML
    :param settings: by key; they win
    """
    return (
        "python",
        "experiment/train.py",
        *overrides,
        *(f"{key}={value}" for key, value in settings.items()),
    )
