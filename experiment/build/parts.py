"""Check the parts that a user may name by ``_target_``, before anything is built."""

import inspect
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from interface.errors import UserError, unknown_name
from interface.instantiation import target_of
from interface.signatures import VARIADIC, arguments_of, takes

# how many arguments a part is given, before those of its node
_N_GIVEN = {
    "network.encoder": 1,
    "network.head": 1,
    "network.cell.module": 2,
    "policy.optimizer": 1,
}


def check_parts(cfg: DictConfig) -> None:
    """
    Check that each part exists and takes what its node says.

    :param cfg: the main config
    :raises UserError: naming the key, and what would be right
    """
    for key, n_given in _N_GIVEN.items():
        node = OmegaConf.select(cfg, key)
        if node is not None:
            _check_part(key, node, n_given)
    for index, node in enumerate(cfg.callbacks):
        _check_part(f"callbacks[{index}]", node, 0)


def _check_part(key: str, node: Any, n_given: int) -> None:
    if not isinstance(node, Mapping) or "_target_" not in node:
        example = "{_target_: my_package.MyClass}"
        raise UserError(f"{key} must name a class or function, as {example} does, got {node}")
    target = target_of(node)
    for name in (str(name) for name in node if not str(name).startswith("_")):
        if not takes(target, name):
            known = list(arguments_of(target))[n_given:]
            raise unknown_name(f"parameter {key}.{name}", name, known)
    # its own: what it hands to a base, it may fill in itself
    for name, parameter in list(inspect.signature(target).parameters.items())[n_given:]:
        is_needed = parameter.default is parameter.empty and parameter.kind not in VARIADIC
        if is_needed and name not in node:
            raise UserError(f"{key}.{name} is missing: {node['_target_']} needs it")
