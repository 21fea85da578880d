"""
What a config must contain: the names, types and ranges of our own nodes.

Values live in ``conf/`` alone. Here is their shape, which Hydra checks while it composes, and next
to each its range, which ``check_ranges`` checks before anything is built. The parameters of the
algorithms are not repeated here; see ``interface.parameters``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from interface.errors import UserError
from interface.ranges import Count, Range, at_least, between, more_than, ranges_of

LARGEST_SEED = 2**32 - 1  # of numpy

NO_ENV = "none"
"""The ``env.id`` of runs without environments."""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _are_sizes(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_are_sizes, value.values()))
    return value is None or (isinstance(value, Sequence) and all(map(_is_count, value)))


def _is_point(value: Any) -> bool:
    return value is None or (len(value) == 3 and all(map(math.isfinite, value)))


def _is_pair_of_seeds(value: Any) -> bool:
    return len(value) == 2 and 0 <= value[0] <= value[1] <= LARGEST_SEED


_THREADS = Range(lambda value: value == "auto" or _is_count(value), "auto or at least 1")
_NUMBER = Range(lambda value: not math.isnan(value), "a number")
_OVERLAP = Range(lambda value: value == "auto" or isinstance(value, bool), "auto, true or false")
_POINT = Range(_is_point, "three numbers, e.g. [0,0,0.5]")
_SIZES = Range(_are_sizes, "integers of at least 1, e.g. [256,256] or {pi:[64],qf:[256]}")
_SEEDS = Range(
    lambda value: value is None or _is_pair_of_seeds(value),
    "[least, greatest] from 0 to 2**32 - 1",
)


class Direction(Enum):
    """Whether more or less of a metric is better."""

    maximize = "maximize"
    minimize = "minimize"


@dataclass
class CameraConfig:
    """From where MuJoCo's pictures are seen; null: as the simulator has it, mazes from above."""

    # metres, from what it looks at
    distance: Annotated[float | None, more_than(0)] = None
    # degrees around the vertical; 0 looks along x, 90 along y
    azimuth: Annotated[float | None, between(-360, 360)] = None
    # degrees; -90 looks straight down
    elevation: Annotated[float | None, between(-90, 90)] = None
    # x, y, z, metres
    lookat: Annotated[list[float] | None, _POINT] = None


@dataclass
class EnvConfig:
    """One environment; any id of Gymnasium's registry works with the defaults."""

    # Gymnasium id
    id: str = MISSING
    # module:Class, only for environments of this repository and of imported packages' YAMLs
    entry_point: str | None = None
    # steps after which an episode is truncated; null: as registered
    max_episode_steps: Annotated[int | None, at_least(1)] = None
    # arguments of gymnasium.make
    kwargs: dict[str, Any] = field(default_factory=dict)
    # nodes with a _target_ that takes the environment, innermost first
    wrappers: list[Any] = field(default_factory=list)
    # an episode with at least this return is a success, for environments that report none;
    # null: the reward threshold of the registry, if there is one
    success_return: float | None = None
    # training environments stepped together
    n_envs: Count = 1
    # each of them in a process of its own
    subprocesses: bool = False
    # only one instance may live: training, evaluations and films share it
    exclusive: bool = False
    # [least, greatest] seed that the environment knows; null: any of 32 bits
    seeds: Annotated[list[int] | None, _SEEDS] = None
    # where films are seen from unless render.camera says otherwise
    camera: CameraConfig = field(default_factory=CameraConfig)


@dataclass
class PolicyConfig:
    """How networks are built; null: the algorithm's own default."""

    _target_: str = MISSING
    _partial_: bool = MISSING
    name: str = MISSING
    net_arch: Annotated[Any, _SIZES] = MISSING
    activation_fn: str | None = MISSING
    optimizer: Any = None
    n_critics: Annotated[int | None, at_least(1)] = MISSING
    log_std_init: float | None = MISSING
    ortho_init: bool | None = MISSING
    shared: bool | None = MISSING


@dataclass
class NetworkConfig:
    """Parts of the networks, as nodes with a _target_."""

    encoder: Any = None
    head: Any = None
    cell: Any = None


@dataclass
class NormalizeConfig:
    """Running normalisation (SB3's VecNormalize), saved with every checkpoint."""

    observation: bool = MISSING
    reward: bool = MISSING
    frozen_in_rollouts: bool = MISSING
    clip_observation: Annotated[float, more_than(0)] = MISSING
    clip_reward: Annotated[float, more_than(0)] = MISSING


@dataclass
class RenderConfig:
    """Films of evaluation episodes."""

    mode: str = MISSING
    every_n_epochs: Count = MISSING
    n_episodes: Count = MISSING
    # the names of the strip below take 170
    width: Annotated[int | None, at_least(240)] = MISSING
    height: Annotated[int | None, at_least(16)] = MISSING
    format: str = MISSING
    metrics: list[str] = MISSING
    # runs of before this key have none
    camera: CameraConfig = field(default_factory=CameraConfig)


@dataclass
class MainConfig:
    """One run."""

    algorithm: Any = MISSING
    algorithm_name: str = MISSING
    env: EnvConfig = field(default_factory=EnvConfig)
    # runs of before this key were paid by the environment
    reward: Any = None
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    normalize: NormalizeConfig = field(default_factory=NormalizeConfig)
    # runs of before this key were tested in episodes
    evaluator: Any = field(
        default_factory=lambda: {"_target_": "experiment.evaluation.episodes.Episodes"}
    )
    tracking: Any = MISSING
    render: RenderConfig = field(default_factory=RenderConfig)
    run_monitor: Any = MISSING
    search_space: dict[str, Any] = field(default_factory=dict)
    seed: Annotated[int, between(0, LARGEST_SEED)] = MISSING
    device: str = MISSING
    n_threads: Annotated[Any, _THREADS] = MISSING
    overlap: Annotated[Any, _OVERLAP] = MISSING
    update: str = MISSING
    n_parallel_runs: Count = MISSING
    n_epochs: Count = MISSING
    eval_after_n_steps: Count = MISSING
    n_test_rollouts: Count = MISSING
    max_evaluation_steps: Count = MISSING
    # runs of before this key used the shared list
    test_goals: Annotated[int, at_least(0)] = 0
    early_stop_data_column: str = MISSING
    early_stop_threshold: Annotated[float, _NUMBER] = MISSING
    early_stop_last_n: Count = MISSING
    early_stop_direction: Direction = MISSING
    hyperopt_criterion: Any = MISSING
    hyperopt_direction: Any = MISSING
    checkpoint_every_n_epochs: Count = MISSING
    log_interval: Count = MISSING
    callbacks: list[Any] = field(default_factory=list)
    tensorboard: bool = MISSING
    restore: str | None = MISSING
    imports: list[str] = MISSING
    debug: bool = MISSING
    # runs of before this key trusted nobody
    trust: bool = False
    data_dir: str = MISSING


def has_env(cfg: DictConfig) -> bool:
    """
    Tell whether a run has an environment, to train in or to be tested in.

    :param cfg: the main config
    """
    return bool(cfg.env.id != NO_ENV)


def register_schemas() -> None:
    """Make the schemas known to Hydra; ``evaluate.py`` shares the node ``render`` with a run."""
    ConfigStore.instance().store(name="main_schema", node=MainConfig)
    ConfigStore.instance().store(name="evaluate_schema", node={"render": RenderConfig})


def check_ranges(cfg: DictConfig) -> None:
    """
    Check our own nodes, before anything is built or written.

    :param cfg: a composed main config
    :raises UserError: naming the key, the value got, and what would be right
    """
    _check_each(cfg, ranges_of(MainConfig))
    alone = cfg.env.n_envs == 1 and not cfg.env.subprocesses and cfg.overlap is not True
    if cfg.env.exclusive and not alone:
        raise UserError(
            "env.exclusive=true shares one instance, so it goes with env.n_envs=1, "
            "env.subprocesses=false and without overlap=true, got "
            f"{cfg.env.n_envs}, {cfg.env.subprocesses} and {cfg.overlap}"
        )


def check_render_ranges(cfg: DictConfig) -> None:
    """
    Check only what says how to film.

    :param cfg: with a node ``render``
    :raises UserError: as ``check_ranges``
    """
    ranges = ranges_of(RenderConfig)
    _check_each(cfg, {f"render.{key}": allowed for key, allowed in ranges.items()})


def _check_each(cfg: DictConfig, ranges: Mapping[str, Range]) -> None:
    for key, allowed in ranges.items():
        value = OmegaConf.select(cfg, key)
        if not allowed.holds(value):
            raise UserError(f"{key} must be {allowed.wanted}, got {value}")
