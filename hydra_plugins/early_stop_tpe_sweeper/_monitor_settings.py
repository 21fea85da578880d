"""What the monitors of a search's runs go by: sweepers write it to the study, runs read it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from hydra_plugins.early_stop_tpe_sweeper._rules import EpochCap, Race


@dataclass(frozen=True)
class MonitorSettings:
    """
    What every run of a search must know of it. The study stores each by its name here.

    :param budget: epochs of a full run
    :param factor: of the epoch cap, see ``EpochCap``
    :param warm_up: share of the budget that every run gets, in [0, 1]
    :param no_sign_of_life: share by which goals must come nearer, None for no such rule
    :param no_sign_of_life_after: share of the budget from which on it applies, in [0, 1]
    :param n_needed: fresh runs that must reach the target, see ``Race``
    :param n_allowed: fresh runs at most
    :param criterion: metric that is reported, None for none
    :param maximize: whether more of the criterion is better
    :param pruner: node of Optuna's pruner, None for none
    """

    budget: int
    factor: float
    warm_up: float
    no_sign_of_life: float | None
    no_sign_of_life_after: float
    n_needed: int
    n_allowed: int
    criterion: str | None
    maximize: bool
    pruner: dict[str, Any] | None

    @property
    def cap(self) -> EpochCap:
        """How many epochs a screening run gets."""
        return EpochCap(self.budget, self.factor, self.warm_up)

    @property
    def race(self) -> Race:
        """When a contender is verified."""
        return Race(self.n_needed, self.n_allowed)

    def to_json(self) -> dict[str, Any]:
        """Write them as a study stores them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """
        Read them.

        :param stored: by a sweeper, whose code may be newer and store more
        """
        return cls(**{one.name: stored[one.name] for one in fields(cls)})
