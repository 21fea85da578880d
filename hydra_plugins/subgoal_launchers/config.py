"""The launchers' settings; values and explanations are in ``conf/hydra/launcher/``."""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra_plugins.hydra_submitit_launcher.config import LocalQueueConf, SlurmQueueConf
from omegaconf import MISSING

_MODULE = "hydra_plugins.subgoal_launchers.subgoal_launchers"


@dataclass
class SlurmConfig(SlurmQueueConf):
    """What hydra-submitit-launcher knows, how many trials share a job, and in which image."""

    _target_: str = f"{_MODULE}.SlurmLauncher"
    jobs_per_instance: int = MISSING
    idle_seconds: float = MISSING
    container: str | None = None
    container_setup: list[str] = MISSING


@dataclass
class SlurmLocalConfig(LocalQueueConf):
    """What hydra-submitit-launcher knows, and when a run is told that its time is up."""

    _target_: str = f"{_MODULE}.SlurmLocalLauncher"
    signal_delay_s: int = MISSING


@dataclass
class BalancedConfig:
    """Which shares of this host jobs get."""

    _target_: str = f"{_MODULE}.BalancedLauncher"
    cpus: Any = MISSING
    gpus: Any = MISSING
    jobs_per_gpu: int = MISSING
    n_jobs: int = MISSING
    free_memory_mb: int = MISSING
    free_gpu_memory_mb: int = MISSING


for name, node in (
    ("slurm", SlurmConfig),
    ("slurm_local", SlurmLocalConfig),
    ("balanced", BalancedConfig),
):
    ConfigStore.instance().store(
        group="hydra/launcher",
        name=f"{name}_schema",
        node=node,
        provider="subgoal_launchers",
    )
