"""What is searched: parsed as hydra-optuna-sweeper does, then judged before the first trial."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra_plugins.hydra_optuna_sweeper._impl import create_params_from_overrides
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from interface.algorithm import selected_learners
from interface.errors import UserError
from interface.resolvers import quoted

_DISCOUNTS = re.compile(r"(^|\.)gamma$")
_WIDE = 100
_MISSING = object()


@dataclass(frozen=True)
class SearchSpace:
    """
    What is searched and what stays as it is.

    :param distributions: by config key
    :param fixed: the other overrides, which every trial gets
    :param prefixes: ``+`` or ``++`` of keys that the config lacks, by config key
    :param groups: those of the keys that are config groups
    """

    distributions: dict[str, BaseDistribution]
    fixed: list[str]
    prefixes: dict[str, str] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """
        Write a configuration as overrides.

        :param params: by config key
        """
        prefix = self.prefixes.get
        return [
            *self.fixed,
            *(f"{prefix(key, '')}{key}={_one_value(value)}" for key, value in params.items()),
        ]


def parse(params: Mapping[str, Any], arguments: Sequence[str]) -> SearchSpace:
    """
    Read a search space.

    :param params: overrides by key; a key that the command line fixes is not searched
    :param arguments: of the command line
    :raises UserError: if nothing is searched, or what is searched makes no sense
    """
    given = {_bare(override.get_key_element()) for override in _parsed(arguments)}
    lines = [f"{key}={value}" for key, value in params.items() if _bare(key) not in given]
    try:
        found, _, _ = create_params_from_overrides([*lines, *arguments])
    except (ValueError, NotImplementedError, AssertionError) as error:
        raise UserError(f"this search space is not possible: {error}") from error
    parsed = zip(_parsed([*lines, *arguments]), [*lines, *arguments], strict=True)
    fixed = [line for override, line in parsed if not override.is_sweep_override()]
    if not found:
        raise UserError(
            "there is nothing to search: give at least one key a range, for example "
            "'algorithm.learners.sac.learning_rate=tag(log, interval(1e-4, 1e-2))', or choose a "
            "search_space"
        )
    prefixes = {_bare(key): key[: -len(_bare(key))] for key in found}
    distributions = {_bare(key): _storable(_bare(key), one) for key, one in found.items()}
    return SearchSpace(distributions, fixed, prefixes)


def _bare(key: str) -> str:
    """Drop Hydra's prefix, which says how an override works and is no part of the key."""
    return key.lstrip("+~")


def _storable(key: str, distribution: BaseDistribution) -> BaseDistribution:
    """
    Judge a range, and make it one that every storage gives back as it was.

    Infinity and NaN among choices become text, which Hydra reads as the number.

    :raises UserError: if nothing can be searched in it
    """
    if isinstance(distribution, CategoricalDistribution):
        texts = [
            str(one) if isinstance(one, float) and not math.isfinite(one) else one
            for one in distribution.choices
        ]
        for number, one in enumerate(texts):
            if one in texts[:number]:
                raise UserError(f"{key} offers {one} twice; give each choice once")
        distribution = CategoricalDistribution(texts)
    elif isinstance(distribution, FloatDistribution) and not (
        math.isfinite(distribution.low) and math.isfinite(distribution.high)
    ):
        raise UserError(f"{key} is searched up to infinity; give its range two finite ends")
    if distribution.single():
        raise UserError(f"{key} has one possible value only; fix it instead of searching it")
    return distribution


def _one_value(value: Any) -> Any:
    """Write a value such that Hydra reads it as one: a comma would make it a sweep."""
    if not isinstance(value, str):
        return value
    try:
        return quoted(value) if _parsed([f"key={value}"])[0].is_sweep_override() else value
    except HydraException:
        return quoted(value)


def plain_value(value: Any) -> Any:
    """
    Read a value of the search as a config holds it.

    :param value: as Optuna knows it: lists and such are text in Hydra's grammar
    """
    return _parsed([f"key={_one_value(value)}"])[0].value() if isinstance(value, str) else value


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
    Read the values that a config has for the searched keys; of a config group, what is chosen.

    :param config: composed
    :param space: to search
    :return: by key; keys that it lacks are missing
    """
    chosen = OmegaConf.select(config, "hydra.runtime.choices") or {}
    values = {}
    for key in space.distributions:
        value = chosen.get(key, _MISSING) if key in space.groups else _selected(config, key)
        if value is not _MISSING:
            values[key] = value
    return values


def _selected(config: DictConfig, key: str) -> Any:
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return node[name] if isinstance(node, DictConfig) and name in node else _MISSING


def fitting(values: Mapping[str, Any], space: SearchSpace) -> tuple[dict[str, Any], dict[str, str]]:
    """
    Choose the values that can be tried: Optuna would use numbers out of range as they are.

    :param values: by key
    :param space: to search
    :return: those that it holds, as Optuna knows them, and why it does not hold the others
    """
    fits, others = {}, {}
    for key, distribution in space.distributions.items():
        if key not in values:
            others[key] = f"{key} has no value there"
            continue
        value = _converted(values[key], distribution)
        if value is None:
            others[key] = f"{key}={values[key]} is not in {_described(distribution)}"
        else:
            fits[key] = value
    return fits, others


def _converted(value: Any, distribution: BaseDistribution) -> Any:
    """Convert a value to what Optuna books; None if the distribution does not hold it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(distribution, CategoricalDistribution):
        for choice in distribution.choices:
            if _text(choice) == _text(value) or (
                is_number and not isinstance(choice, bool | str) and choice == value
            ):
                return choice
        return None
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if not is_number or not distribution.low <= value <= distribution.high:
        return None  # Optuna raises where 0 is asked of a logarithmic one
    if isinstance(distribution, IntDistribution) and value != int(value):
        return None
    internal = distribution.to_internal_repr(value)
    if not distribution._contains(internal):
        return None
    return distribution.to_external_repr(internal)


def _text(value: Any) -> str:
    return "null" if value is None else re.sub("[ '\"]", "", str(value))


def _described(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(str, distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    step = f" in steps of {distribution.step}" if distribution.step not in (None, 1) else ""
    return f"{distribution.low} to {distribution.high}{step}"


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
