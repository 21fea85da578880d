"""Check all that a search may choose, before it writes anything."""

from collections.abc import Iterator
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution, CategoricalDistribution

from hydra_plugins.early_stop_tpe_sweeper._search_space import SearchSpace
from interface.algorithm import AlgorithmSpec
from interface.config import MainConfig, check_ranges
from interface.errors import UserError


def check_choices(loader: ConfigLoader, config: DictConfig, space: SearchSpace) -> None:
    """
    Compose each choice and both ends of each range once, the other keys at their first value.

    :param loader: composes configs
    :param config: of the sweep
    :param space: to search
    :raises UserError: naming the choice that no run could take
    :raises Exception: whatever Hydra raises if a config does not compose
    """
    first = {key: next(_extremes(one)) for key, one in space.distributions.items()}
    _check(loader.load_sweep_config(config, space.overrides(first)))
    for key, distribution in space.distributions.items():
        for value in [*_extremes(distribution)][1:]:
            cfg = loader.load_sweep_config(config, space.overrides(first | {key: value}))
            try:
                _check(cfg)
            except UserError as error:
                raise UserError(f"the search may choose {key}={value}: {error}") from error


def _extremes(distribution: BaseDistribution) -> Iterator[Any]:
    if isinstance(distribution, CategoricalDistribution):
        yield from distribution.choices
    else:
        yield from (distribution.low, distribution.high)  # type: ignore[attr-defined]


def _check(cfg: DictConfig) -> None:
    """Check what can be checked without an environment; a task of others has no schema."""
    if OmegaConf.get_type(cfg) is MainConfig:
        check_ranges(cfg)
        AlgorithmSpec.of(cfg.algorithm)
