"""What an ``algorithm`` node describes: read once from config and classes, and handed on."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Self

from interface.errors import UserError, unknown_name
from interface.instantiation import target_of
from interface.needs import Needs, needs_of
from interface.parameters import checked_arguments
from interface.signatures import takes


@dataclass(frozen=True)
class Part:
    """
    A node whose parameters reach the model: the algorithm itself, its sampler, a learner in use.

    :param key: in the config
    :param node: with its parameters
    :param target: class or function that the node names
    :param arguments: that the target accepts, by name
    """

    key: str
    node: Mapping[str, Any]
    target: Callable[..., Any]
    arguments: Mapping[str, Parameter]

    @property
    def needs(self) -> Needs:
        """What the target needs from an environment."""
        return needs_of(self.target)


@dataclass(frozen=True)
class AlgorithmSpec:
    """
    An algorithm, before there is a model.

    :param parts: its sampler if it is given one, itself, its learners in use (highest layer first)
    """

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, algorithm: Mapping[str, Any]) -> Self:
        """
        Read an algorithm, and check every parameter that reaches the model.

        :param algorithm: the ``algorithm`` node
        :raises UserError: for a class, learner or parameter that there is not, or a wrong value
        """
        nodes = _nodes(algorithm)
        targets = {key: target_of(node) for key, node in nodes.items()}
        arguments = checked_arguments(nodes, targets)
        return cls(tuple(Part(key, nodes[key], targets[key], arguments[key]) for key in nodes))

    @property
    def algorithm(self) -> Part:
        """The part that the model is made of, with its environment."""
        return next(part for part in self.parts if part.key == "algorithm")

    @property
    def learner(self) -> Part:
        """The part that learns: the algorithm itself, or its (lowest) layer."""
        return self.parts[-1]

    @property
    def takes_environments(self) -> bool:
        """Whether it trains in environments: its constructor has ``env``."""
        return takes(self.algorithm.target, "env")

    def offers(self, argument: str) -> bool:
        """
        Tell whether the learner can be told something, e.g. ``overlap``.

        :param argument: of its constructor
        """
        return argument in self.learner.arguments

    def check_overrides(self, overrides: Iterable[str]) -> None:
        """
        Refuse overrides of learners that no layer uses: they would do nothing.

        :param overrides: as on the command line
        :raises UserError: naming the learners in use
        """
        keys = [part.key for part in self.parts]
        in_use = [key.rpartition(".")[2] for key in keys if key.startswith("algorithm.learners.")]
        for override in overrides:
            match = re.match(r"\+*algorithm\.learners\.(\w+)", override)
            if match and match[1] not in in_use:
                raise UserError(
                    f"{override} changes a learner that no layer uses; "
                    f"algorithm.layer_classes is [{', '.join(in_use)}]"
                )


def selected_learners(algorithm: Mapping[str, Any]) -> list[str]:
    """
    Name the learners that an algorithm's layers use, highest layer first.

    :param algorithm: the ``algorithm`` node
    :return: empty for an algorithm without layers
    :raises UserError: if ``layer_classes`` is empty or names a learner that does not exist
    """
    if "layer_classes" not in algorithm:
        return []
    names = algorithm["layer_classes"]
    if isinstance(names, str):
        raise UserError(f"algorithm.layer_classes must be a list, e.g. [{names}], got {names}")
    names = list(names)
    if not names:
        raise UserError("algorithm.layer_classes is empty; name a learner, e.g. [sac]")
    for name in names:
        if name not in algorithm["learners"]:
            raise unknown_name("learner in algorithm.layer_classes", name, algorithm["learners"])
    return names


def _nodes(algorithm: Mapping[str, Any]) -> dict[str, Any]:
    """List the nodes whose parameters reach the model, by config key; the learner is the last."""
    nodes: dict[str, Any] = {}
    if algorithm.get("sampler") is not None:
        nodes["algorithm.sampler"] = algorithm["sampler"]
    nodes["algorithm"] = algorithm
    for name in selected_learners(algorithm):
        nodes[f"algorithm.learners.{name}"] = algorithm["learners"][name]
    return nodes
