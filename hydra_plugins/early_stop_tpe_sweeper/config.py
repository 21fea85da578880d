"""The sweeper's settings; their values are in ``conf/hydra/sweeper/early_stop_tpe.yaml``."""

from dataclasses import dataclass
from typing import Annotated, Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from hydra_plugins.early_stop_tpe_sweeper._rules import Race
from interface.errors import UserError
from interface.ranges import Count, Range, at_least, ranges_of

Share = Annotated[float, Range(lambda share: 0 <= share <= 1, "in [0, 1]")]


def _names_a_folder(name: str) -> bool:
    return name not in ("", ".", "..") and not set(name) & set("/\\\0\n")


_FOLDER_NAME = Range(
    _names_a_folder,
    "a name without slashes and backslashes: a folder in data_dir is called so; "
    "hydra.sweep.dir=<path> puts it elsewhere",
)


@dataclass(frozen=True)
class Settings:
    """
    What a sweep does; see the comments beside the values.

    Hydra checks names and types by it, ``read_settings`` the ranges.
    """

    _target_: str = (
        "hydra_plugins.early_stop_tpe_sweeper.early_stop_tpe_sweeper.EarlyStopTpeSweeper"
    )
    sampler: Any = MISSING
    pruner: Any = MISSING
    params: dict[str, Any] | None = MISSING
    direction: Any = MISSING
    study_name: Annotated[str, _FOLDER_NAME] = MISSING
    storage: str = MISSING
    n_trials: Count = MISSING
    n_jobs: Count = MISSING
    warm_start: str | None = MISSING
    plan: bool = MISSING
    epoch_factor: Annotated[float, at_least(1)] = MISSING
    warm_up: Share = MISSING
    no_sign_of_life: float | None = MISSING
    no_sign_of_life_after: Share = MISSING
    min_trials_per_param: Count = MISSING
    max_trials_per_param: int = MISSING
    n_verification_rollouts: Count = MISSING
    stop_when_verified: bool = MISSING
    keep_checkpoints: bool = MISSING
    max_duration_minutes: float = MISSING
    max_failure_rate: Share = MISSING
    max_retries: int = MISSING
    max_losses: int = MISSING
    heartbeat_seconds: float = MISSING
    heartbeat_timeout_seconds: float = MISSING
    storage_patience_seconds: float = MISSING
    page_seconds: Annotated[float, at_least(1)] = MISSING

    @property
    def directions(self) -> list[str]:
        """One per objective."""
        several = isinstance(self.direction, list)
        return [str(one) for one in (self.direction if several else [self.direction])]

    @property
    def race(self) -> Race:
        """When a contender is verified."""
        return Race(self.min_trials_per_param, self.max_trials_per_param)


def read_settings(node: DictConfig) -> Settings:
    """
    Read the settings of a sweep, once.

    :param node: ``hydra.sweeper``
    :raises UserError: naming the value got and what would be right
    """
    values: Any = OmegaConf.to_container(node, resolve=True, enum_to_str=True)
    settings = Settings(**values)
    check_settings(settings)
    return settings


def check_settings(settings: Settings) -> None:
    """
    Check ranges.

    :param settings: of the sweeper
    :raises UserError: naming the value got and what would be right
    """
    for name, allowed in ranges_of(Settings).items():
        value = getattr(settings, name)
        if not allowed.holds(value):
            raise UserError(f"hydra.sweeper.{name}={value} must be {allowed.wanted}")
    if settings.max_trials_per_param < settings.min_trials_per_param:
        raise UserError(
            f"hydra.sweeper.max_trials_per_param={settings.max_trials_per_param} must be at "
            f"least min_trials_per_param={settings.min_trials_per_param}"
        )
    for name in settings.directions:
        if name not in ("maximize", "minimize"):
            raise UserError(f"hydra.sweeper.direction={name} must be maximize or minimize")


_SCHEMA = OmegaConf.structured(Settings)
OmegaConf.set_readonly(_SCHEMA, False)  # OmegaConf freezes it like its class; overrides change it
ConfigStore.instance().store(
    group="hydra/sweeper",
    name="early_stop_tpe_schema",
    node=_SCHEMA,
    provider="early_stop_tpe_sweeper",
)
