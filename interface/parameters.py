"""
Which parameters reach a model: read from the constructor's signature, checked, printable.

``python -m interface.parameter_table her env=FetchReach-v4`` prints them with type, default, value and
where the value comes from.
"""  # noqa: E501

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_origin

from interface.errors import UserError, unknown_name
from interface.ranges import Range, at_least, between, more_than, range_of
from interface.signatures import arguments_of

RUNTIME_ARGUMENTS = frozenset(
    {
        "_init_setup_model",
        "device",
        "env",
        "learners",
        "overlap",
        "policy",
        "policy_kwargs",
        "replay_buffer_class",
        "replay_buffer_kwargs",
        "rollout_buffer_class",
        "rollout_buffer_kwargs",
        "seed",
        "tensorboard_log",
        "update",
        "verbose",
    }
)
"""Arguments that a run passes itself; everything else in a signature is a tunable."""

_HYDRA_KEYS = frozenset({"_target_", "_partial_", "learners"})

# of SB3's classes, by SB3's names; our own classes annotate their arguments
_RANGES = {
    "learning_rate": more_than(0),
    "buffer_size": at_least(1),
    "learning_starts": at_least(0),
    "batch_size": at_least(1),
    "tau": between(0, 1),
    "gamma": between(0, 1),
    "gae_lambda": between(0, 1),
    "train_freq": at_least(1),
    "gradient_steps": Range(lambda value: value >= 1 or value == -1, "at least 1, or -1"),
    "n_steps": at_least(1),
    "n_epochs": at_least(1),
    "ent_coef": Range(lambda value: value >= 0, "at least 0, auto or auto_<start>"),
    "clip_range": more_than(0),
    "max_grad_norm": more_than(0),
    "policy_delay": at_least(1),
    "target_policy_noise": at_least(0),
    "target_noise_clip": at_least(0),
    "target_update_interval": at_least(1),
    "exploration_fraction": between(0, 1),
    "exploration_initial_eps": between(0, 1),
    "exploration_final_eps": between(0, 1),
    "stats_window_size": at_least(1),
}


@dataclass(frozen=True)
class Parameter:
    """
    One tunable of a constructor.

    :param name: as in the signature
    :param type: its annotation, as text
    :param default: its default, ``inspect.Parameter.empty`` if it has none
    :param range: of its values where they are numbers, None if any will do
    """

    name: str
    type: str
    default: Any
    range: Range | None = None


def tunables(target: Callable[..., Any]) -> dict[str, Parameter]:
    """
    Read the tunables of a class or function from its signature.

    :param target: what a ``_target_`` names
    :return: by name, in the order of the signature
    """
    return {
        name: Parameter(
            name,
            _type_text(parameter.annotation),
            parameter.default,
            range_of(parameter.annotation) or _RANGES.get(name),
        )
        for name, parameter in arguments_of(target).items()
        if name not in RUNTIME_ARGUMENTS
    }


def _type_text(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return "any"
    if get_origin(annotation) is Annotated:
        annotation = annotation.__origin__
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", text)


def checked_arguments(
    nodes: Mapping[str, Mapping[str, Any]], targets: Mapping[str, Callable[..., Any]]
) -> dict[str, dict[str, inspect.Parameter]]:
    """
    Check every parameter that reaches the model, before anything is built.

    :param nodes: of the parameters, by config key
    :param targets: what each node's ``_target_`` names
    :return: the arguments that each target accepts
    :raises UserError: for a parameter that a constructor does not have, or out of range
    """
    for key, node in nodes.items():
        known = tunables(targets[key])
        for name, value in node.items():
            if name in _HYDRA_KEYS:
                continue
            if name not in known:
                raise unknown_name(f"parameter {key}.{name}", str(name), known)
            _check_type(f"{key}.{name}", known[name], value)
            _check_range(f"{key}.{name}", known[name], value)
    return {key: arguments_of(target) for key, target in targets.items()}


def _check_type(key: str, parameter: Parameter, value: Any) -> None:
    """Refuse plain values that the annotation excludes; objects are left to the constructor."""
    kinds = set(re.findall(r"\w+", parameter.type))
    wrong = (
        (isinstance(value, bool) and not kinds & {"bool", "any"})
        or (isinstance(value, str) and not kinds & {"str", "any", "Literal"})
        or (isinstance(value, float) and kinds == {"int"})
        or (isinstance(value, int | float) and kinds == {"bool"} and not isinstance(value, bool))
    )
    if wrong:
        raise UserError(f"{key} must be {parameter.type}, got {value!r}")


def _check_range(key: str, parameter: Parameter, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if parameter.range is not None and not parameter.range.holds(value):
        raise UserError(f"{key} must be {parameter.range.wanted}, got {value}")


if __name__ == "__main__":
    sys.exit("this command is now: python -m interface.parameter_table")
