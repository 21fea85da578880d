"""What is searched: parsed as hydra-optuna-sweeper does, then judged before the first trial."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from interface.errors import UserError
from interface.parameters import selected_learners

_DISCOUNTS = re.compile(r"(^|\.)gamma$")
_WIDE = 100


@dataclass(frozen=True)
class SearchSpace:
    """
    What is searched and what stays as it is.

    :param distributions: by config key
    :param fixed: the other overrides, which every trial gets
    """

    distributions: dict[str, BaseDistribution]
    fixed: list[str]

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """
        Write a configuration as overrides.

        :param params: by config key
        """
        return [*self.fixed, *(f"{key}={value}" for key, value in params.items())]


def parse(params: Mapping[str, Any], arguments: Sequence[str]) -> SearchSpace:
    """
    Read a search space.

    :param params: overrides by key; a key that the command line fixes is not searched
    :param arguments: of the command line
    :raises UserError: if nothing is searched, or what is searched makes no sense
    """
    given = {override.get_key_element() for override in _parsed(arguments)}
    lines = [f"{key}={value}" for key, value in params.items() if key not in given]
    try:
        distributions, _, _ = create_params_from_overrides([*lines, *arguments])
    except (ValueError, NotImplementedError, AssertionError) as error:
        raise UserError(f"this search space is not possible: {error}") from error
    parsed = zip(_parsed([*lines, *arguments]), [*lines, *arguments], strict=True)
    fixed = [line for override, line in parsed if not override.is_sweep_override()]
    if not distributions:
        raise UserError(
            "there is nothing to search: give at least one key a range, for example "
            "'algorithm.learners.sac.learning_rate=tag(log, interval(1e-4, 1e-2))', or choose a "
            "search_space"
        )
    for key, distribution in distributions.items():
        if distribution.single():
            raise UserError(f"{key} has one possible value only; fix it instead of searching it")
    return SearchSpace(distributions, fixed)


def _parsed(arguments: Sequence[str]) -> list[Any]:
    return OverridesParser.create().parse_overrides(list(arguments))


def remarks(space: SearchSpace, config: DictConfig) -> list[str]:
    """
    Say what is dubious about a space without being impossible.

    :param space: to search
    :param config: that the trials start from
    """
    found = []
    for key, one in space.distributions.items():
        if not isinstance(one, FloatDistribution | IntDistribution):
            continue
        if _DISCOUNTS.search(key) and one.step is None:
            found.append(
                f"{key} is searched on a {'log' if one.log else 'linear'} scale, on which nearly "
                f"all values have nearly the same horizon; choice(0.9, 0.95, 0.98, 0.99) is better"
            )
        if not one.log and one.low > 0 and one.high / one.low >= _WIDE:
            found.append(f"{key} spans {one.high / one.low:g}x linearly; consider tag(log, ...)")
        if key.endswith("batch_size"):
            buffer_key = key.replace("batch_size", "buffer_size")
            buffer_size = OmegaConf.select(config, buffer_key)
            if isinstance(buffer_size, int) and one.high > buffer_size:
                found.append(f"{key} goes up to {one.high}, but {buffer_key}={buffer_size}")
    return found


def values_in(config: DictConfig, space: SearchSpace) -> dict[str, Any]:
    """
    Read the values that a config has for the searched keys, as Optuna knows them.

    :param config: composed
    :param space: to search
    :return: those that Optuna can book; a choice that is not offered is left out
    """
    values = {}
    for key, distribution in space.distributions.items():
        value = OmegaConf.select(config, key)
        convert = _converter(distribution)
        converted = None if value is None else convert(value)
        if converted is not None:
            values[key] = converted
    return values


def _converter(distribution: BaseDistribution) -> Callable[[Any], Any]:
    if isinstance(distribution, CategoricalDistribution):
        choices = {str(choice).replace(" ", ""): choice for choice in distribution.choices}
        return lambda value: choices.get(str(value).replace(" ", "").replace("'", ""))
    kind = float if isinstance(distribution, FloatDistribution) else int
    return lambda value: kind(value) if isinstance(value, int | float) else None


def configured_space(
    config: DictConfig, params: Mapping[str, Any] | None, arguments: Sequence[str]
) -> dict[str, Any]:
    """
    Find the ranges that the configuration gives.

    The ranges of ``search_space`` are for a command line that names none of its own. In them,
    ``algorithm.learners.*`` stands for the learners of all layers.

    :param config: of the sweep
    :param params: of the sweeper
    :param arguments: of the command line
    :return: overrides by key
    """
    if params:
        return dict(params)
    sweeps_itself = any(override.is_sweep_override() for override in _parsed(arguments))
    chosen = any(text.startswith("search_space=") for text in arguments)
    if (sweeps_itself and not chosen) or not config.get("search_space"):
        return {}
    learners = dict.fromkeys(selected_learners(config.algorithm))
    space: dict[str, Any] = {}
    for key, value in config.search_space.items():
        names = learners if ".*." in key else [""]
        space |= {key.replace(".*.", f".{name}."): value for name in names}
    return space
