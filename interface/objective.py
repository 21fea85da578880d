"""What a run is to reach, with how much: read from a config, the same for runs and for searches."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self

from omegaconf import DictConfig, ListConfig

from interface.config import Direction
from interface.errors import UserError, unknown_name
from interface.metrics import SUCCESS_KEYS


@dataclass(frozen=True)
class Budget:
    """
    How long a run may last.

    Its steps are those of the learner's clock: environment steps, or updates where it counts those.

    An epoch's number says by steps how far a run is. Where rollouts are longer than an epoch there
    is not an evaluation in each, and numbers are left out.

    :param n_epochs: epochs of a full run
    :param epoch_steps: steps of an epoch
    """

    n_epochs: int
    epoch_steps: int

    @classmethod
    def from_config(cls, cfg: DictConfig) -> Self:
        """
        Read the budget from a config.

        :param cfg: the main config
        """
        return cls(cfg.n_epochs, cfg.eval_after_n_steps)

    @property
    def n_steps(self) -> int:
        """Steps of a full run."""
        return self.n_epochs * self.epoch_steps

    def epoch_at(self, step: int) -> int:
        """
        Find the epoch that ends at a step; the last rollout may go beyond the last epoch.

        :param step: how far the run is
        """
        return min(self.n_epochs, step // self.epoch_steps)


@dataclass(frozen=True)
class Criterion:
    """
    A metric by which runs are compared.

    :param column: key of the metric
    :param direction: whether more or less of it is better
    :param threshold: that ends a run as a success, if it is this metric's; None if it is another's
    """

    column: str
    direction: Direction
    threshold: float | None

    @property
    def counts_successes(self) -> bool:
        """Whether it is a share of episodes that succeed, and more of it is better."""
        return self.column in SUCCESS_KEYS and self.direction is Direction.maximize

    def better(self, value: float) -> float:
        """
        Turn a value of the metric so that more is better.

        :param value: of the metric
        """
        return value if self.direction is Direction.maximize else -value


def criteria(cfg: DictConfig) -> list[Criterion]:
    """
    List what a search optimises.

    :param cfg: the main config
    :raises UserError: if there are not as many directions as criteria, one is no direction, or one
        contradicts the direction of the same metric in early stopping
    """
    names, directions = listed(cfg.hyperopt_criterion), listed(cfg.hyperopt_direction)
    if len(directions) == 1:
        directions *= len(names)
    if len(names) != len(directions):
        raise UserError(
            f"hyperopt_direction={directions} must be one direction, or one for each of {names}"
        )
    return [_criterion(cfg, *pair) for pair in zip(names, directions, strict=True)]


def listed(value: Any) -> list[str | None]:
    """
    Read one name or several.

    :param value: of the config; None stays
    """
    several = value if isinstance(value, list | ListConfig) else [value]
    return [one.name if isinstance(one, Enum) else one and str(one) for one in several]


def _criterion(cfg: DictConfig, name: Any, given: str | None) -> Criterion:
    known = [one.name for one in Direction]
    if given is not None and given not in known:
        raise unknown_name("hyperopt_direction", given, known)
    if name != cfg.get("early_stop_data_column"):
        return Criterion(name, Direction[given or "maximize"], None)
    stopping = cfg.early_stop_direction
    if given not in (None, stopping.name):
        raise UserError(
            f"hyperopt_direction={given} contradicts early_stop_direction={stopping.name}: "
            f"both are of {name}"
        )
    # a threshold that nothing reaches, such as .inf, is no target
    threshold = cfg.early_stop_threshold
    return Criterion(name, stopping, threshold if math.isfinite(threshold) else None)
