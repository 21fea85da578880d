"""The sweeper's settings; their values are in ``conf/hydra/sweeper/early_stop_tpe.yaml``."""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class EarlyStopTpeSweeperConfig:
    """What a sweep does; see the comments beside the values."""

    _target_: str = (
        "hydra_plugins.early_stop_tpe_sweeper.early_stop_tpe_sweeper.EarlyStopTpeSweeper"
    )
    sampler: Any = MISSING
    pruner: Any = MISSING
    params: dict[str, Any] | None = MISSING
    direction: Any = MISSING
    study_name: str = MISSING
    storage: str = MISSING
    n_trials: int = MISSING
    n_jobs: int = MISSING
    warm_start: str | None = MISSING
    plan: bool = MISSING
    epoch_factor: float = MISSING
    warm_up: float = MISSING
    no_sign_of_life: float | None = MISSING
    no_sign_of_life_after: float = MISSING
    min_trials_per_param: int = MISSING
    max_trials_per_param: int = MISSING
    n_verification_rollouts: int = MISSING
    stop_when_verified: bool = MISSING
    max_duration_minutes: float = MISSING
    max_failure_rate: float = MISSING
    max_retries: int = MISSING
    max_losses: int = MISSING
    heartbeat_seconds: float = MISSING
    heartbeat_timeout_seconds: float = MISSING
    storage_patience_seconds: float = MISSING


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="early_stop_tpe_schema",
    node=EarlyStopTpeSweeperConfig,
    provider="early_stop_tpe_sweeper",
)
