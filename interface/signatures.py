"""Who can be given which argument, read from signatures: also those that a class hands on."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

VARIADIC = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
"""Kinds of parameters that stand for any number of arguments."""


def arguments_of(target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """
    Read the arguments of a class or function, those included that a class hands to its bases.

    :param target: what a ``_target_`` names
    :return: by name, in the order of the signatures
    """
    arguments: dict[str, inspect.Parameter] = {}
    for parameters in _signatures(target):
        for parameter in parameters:
            if parameter.kind not in VARIADIC and parameter.name != "self":
                arguments.setdefault(parameter.name, parameter)
    return arguments


def takes(target: Callable[..., Any], name: str) -> bool:
    """
    Tell whether a class or function can be given an argument.

    :param target: to call
    :param name: of the argument
    :return: also True where what the target hands on cannot be seen
    """
    parameters = _signatures(target)[-1]
    is_open = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters)
    return is_open or name in arguments_of(target)


def accepted(target: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """
    Keep the arguments that a class or function can be given.

    :param target: to call
    :param arguments: on offer, by name
    """
    return {name: value for name, value in arguments.items() if takes(target, name)}


def _signatures(target: Callable[..., Any]) -> list[list[inspect.Parameter]]:
    """List the parameters of a function; of a class, those of each base that it hands them to."""
    functions: list[Callable[..., Any]] = (
        [vars(base)["__init__"] for base in inspect.getmro(target) if _constructs(base)]
        if isinstance(target, type)
        else [target]
    )
    signatures = []
    for function in functions:
        signatures.append(list(inspect.signature(function).parameters.values()))
        if all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in signatures[-1]):
            break
    return signatures or [[]]


def _constructs(base: type) -> bool:
    """Tell whether a class has a constructor of its own; those of protocols take anything."""
    is_protocol = getattr(base, "_is_protocol", False)
    return "__init__" in vars(base) and base is not object and not is_protocol
