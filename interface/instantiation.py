"""Build what a config names by ``_target_``."""

import importlib
import re
from typing import Any

import hydra.utils
from hydra._internal.utils import _locate
from hydra.errors import InstantiationException

from interface.errors import UserError
from interface.moved import where_it_went
from util.nearest_name import nearest_name


def instantiate(node: Any, **arguments: Any) -> Any:
    """
    Build the object that a config node describes; configs are as trusted as code.

    :param node: a config with ``_target_`` (and perhaps ``_partial_``)
    :param arguments: further arguments, which win over the node's own
    :raises UserError: if the target does not exist or refuses its arguments
    """
    try:
        return hydra.utils.instantiate(
            node,
            _convert_="all",
            _execution_whitelist_=hydra.utils.UNSAFE_DISABLE_EXECUTION_CHECKS,
            **arguments,
        )
    except InstantiationException as error:
        reason = error.__cause__ or error
        where = where_it_went(error)
        missing = re.match("Error loading '(.*)'", str(reason))  # of the node, or of one in it
        if missing is not None and not where:
            raise UserError(f"cannot find {missing[1]}{_what_is_there(missing[1])}") from error
        raise UserError(f"cannot build {node.get('_target_')}: {reason}{where}") from error
    except UserError:
        raise
    except ValueError as error:  # a part inside the node refuses its arguments
        notes = getattr(error, "__notes__", [])  # Hydra notes where in the config it was
        keys = [text.removeprefix("full_key: ") for text in notes if "full_key: " in text]
        raise UserError(": ".join([*keys[:1], str(error)])) from error


def target_of(node: Any) -> Any:
    """
    Get the class or function that a config node names by ``_target_``, without calling it.

    :param node: a config with ``_target_``
    :raises UserError: if the target does not exist
    """
    target = node["_target_"]
    try:
        return _locate(target)  # what hydra.utils.get_object does, but for an error in the log
    except (ImportError, AttributeError, ValueError) as error:
        where = where_it_went(error)
        raise UserError(f"cannot find {target}{where or _what_is_there(target)}") from error


def _what_is_there(target: str) -> str:
    """Say which name of its module a target may have meant, or what is missing."""
    module, _, name = target.rpartition(".")
    if not module:
        return "; its module belongs to its name"
    try:
        names = vars(importlib.import_module(module))
    except (ImportError, ValueError) as error:
        return f": {error}"
    near = nearest_name(name, [each for each in names if not each.startswith("_")])
    return f": {module} has no {name}" if near is None else f"; did you mean {near}?"
