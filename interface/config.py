"""
What a config must contain: the names, types and ranges of our own nodes.

Values live in ``conf/`` alone. Here is their shape, which Hydra checks while it composes, and the
ranges, which ``check_ranges`` checks before anything is built. The parameters of the algorithms
are not repeated here; see ``interface.parameters``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from interface.errors import UserError

LARGEST_SEED = 2**32 - 1  # of numpy


class Direction(Enum):
    """Whether more or less of a metric is better."""

    maximize = "maximize"
    minimize = "minimize"


@dataclass
class EnvConfig:
    """One environment; any id of Gymnasium's registry works with the defaults."""

    # Gymnasium id
    id: str = MISSING
    # module:Class, only for environments of this repository and of imported packages' YAMLs
    entry_point: str | None = None
    # steps after which an episode is truncated; null: as registered
    max_episode_steps: int | None = None
    # arguments of gymnasium.make
    kwargs: dict[str, Any] = field(default_factory=dict)
    # nodes with a _target_ that takes the environment, innermost first
    wrappers: list[Any] = field(default_factory=list)
    # an episode with at least this return is a success, for environments that report none;
    # null: the reward threshold of the registry, if there is one
    success_return: float | None = None
    # training environments stepped together
    n_envs: int = 1
    # each of them in a process of its own
    subprocesses: bool = False
    # only one instance may live: training, evaluations and films share it
    exclusive: bool = False
    # [least, greatest] seed that the environment knows; null: any of 32 bits
    seeds: list[int] | None = None


@dataclass
class PolicyConfig:
    """How networks are built; null: the algorithm's own default."""

    _target_: str = MISSING
    _partial_: bool = MISSING
    name: str = MISSING
    net_arch: Any = MISSING
    activation_fn: str | None = MISSING
    n_critics: int | None = MISSING


@dataclass
class NormalizeConfig:
    """Running normalisation (SB3's VecNormalize), saved with every checkpoint."""

    observation: bool = MISSING
    reward: bool = MISSING
    clip_observation: float = MISSING
    clip_reward: float = MISSING


@dataclass
class RenderConfig:
    """Films of evaluation episodes."""

    mode: str = MISSING
    every_n_epochs: int = MISSING
    n_episodes: int = MISSING
    width: int = MISSING
    height: int = MISSING
    format: str = MISSING
    metrics: list[str] = MISSING


@dataclass
class MainConfig:
    """One run."""

    algorithm: Any = MISSING
    algorithm_name: str = MISSING
    env: EnvConfig = field(default_factory=EnvConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    normalize: NormalizeConfig = field(default_factory=NormalizeConfig)
    tracking: Any = MISSING
    render: RenderConfig = field(default_factory=RenderConfig)
    run_monitor: Any = MISSING
    search_space: dict[str, Any] = field(default_factory=dict)
    seed: int = MISSING
    device: str = MISSING
    n_threads: Any = MISSING
    overlap: Any = MISSING
    update: str = MISSING
    n_parallel_runs: int = MISSING
    n_epochs: int = MISSING
    eval_after_n_steps: int = MISSING
    n_test_rollouts: int = MISSING
    max_evaluation_steps: int = MISSING
    # runs of before this key used the shared list
    test_goals: int = 0
    early_stop_data_column: str = MISSING
    early_stop_threshold: float = MISSING
    early_stop_last_n: int = MISSING
    early_stop_direction: Direction = MISSING
    hyperopt_criterion: Any = MISSING
    hyperopt_direction: Any = MISSING
    checkpoint_every_n_epochs: int = MISSING
    log_interval: int = MISSING
    tensorboard: bool = MISSING
    restore: str | None = MISSING
    imports: list[str] = MISSING
    debug: bool = MISSING
    # runs of before this key trusted nobody
    trust: bool = False
    data_dir: str = MISSING


def register_schemas() -> None:
    """Make the schema known to Hydra as ``main_schema``."""
    ConfigStore.instance().store(name="main_schema", node=MainConfig)


def _at_least(bound: float) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value is None or value >= bound), f"at least {bound}"


def _more_than(bound: float) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value is None or value > bound), f"more than {bound}"


def _between(low: float, high: float) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value is None or low <= value <= high), f"from {low} to {high}"


_RANGES = {
    "env.n_envs": _at_least(1),
    "env.max_episode_steps": _at_least(1),
    "normalize.clip_observation": _more_than(0),
    "normalize.clip_reward": _more_than(0),
    "render.every_n_epochs": _at_least(1),
    "render.n_episodes": _at_least(1),
    "render.width": _at_least(240),  # the names of the strip below take 170
    "render.height": _at_least(16),
    "seed": _between(0, LARGEST_SEED),
    "n_parallel_runs": _at_least(1),
    "n_epochs": _at_least(1),
    "eval_after_n_steps": _at_least(1),
    "n_test_rollouts": _at_least(1),
    "max_evaluation_steps": _at_least(1),
    "test_goals": _at_least(0),
    "early_stop_last_n": _at_least(1),
    "checkpoint_every_n_epochs": _at_least(1),
    "log_interval": _at_least(1),
}


def check_ranges(cfg: DictConfig) -> None:
    """
    Check our own nodes, before anything is built or written.

    :param cfg: a composed main config
    :raises UserError: naming the key, the value got, and what would be right
    """
    for key, (holds, wanted) in _RANGES.items():
        value = OmegaConf.select(cfg, key)
        if not holds(value):
            raise UserError(f"{key} must be {wanted}, got {value}")
    _check_auto("n_threads", cfg.n_threads, "auto or at least 1", _is_count)
    _check_auto("overlap", cfg.overlap, "auto, true or false", lambda on: isinstance(on, bool))
    _check_env(cfg)


def _check_env(cfg: DictConfig) -> None:
    alone = cfg.env.n_envs == 1 and not cfg.env.subprocesses and cfg.overlap is not True
    if cfg.env.exclusive and not alone:
        raise UserError(
            "env.exclusive=true shares one instance, so it goes with env.n_envs=1, "
            "env.subprocesses=false and without overlap=true, got "
            f"{cfg.env.n_envs}, {cfg.env.subprocesses} and {cfg.overlap}"
        )
    seeds = cfg.env.seeds
    if seeds is not None and not (len(seeds) == 2 and 0 <= seeds[0] <= seeds[1] < 2**32):
        raise UserError(f"env.seeds must be [least, greatest] from 0 to 2**32 - 1, got {seeds}")


def _check_auto(key: str, value: Any, wanted: str, holds: Callable[[Any], bool]) -> None:
    if value != "auto" and not holds(value):
        raise UserError(f"{key} must be {wanted}, got {value}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
