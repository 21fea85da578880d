"""What gradient steps of all algorithms share: optimisers, gradients, networks that follow."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch as th
from torch import nn

from baselines_ext.networks.plain import NotPlainError
from baselines_ext.updates.adam import LeanAdam

LearningRate = float | th.Tensor
"""A tensor in a compiled graph."""


class NotOursError(Exception):
    """A policy is trained in a way that only SB3's own update knows."""


class Update(Protocol):
    """
    One way to compute the gradient steps of an algorithm: eager, compiled or native.

    Losses are methods of the eager one, so that a subclass changes a term; the native one takes its
    place where the networks are plain and the losses are the algorithm's own.
    """

    device: th.device
    not_plain: str
    """Why its networks are no plain multi-layer perceptrons; empty if they are."""

    def __call__(self, batch: Any, learning_rate: LearningRate, **turns: bool) -> Any:
        """
        Make one gradient step.

        :param batch: of transitions
        :param learning_rate: of all optimisers
        :param turns: what this step leaves out
        :return: what it measured, a named tuple of scalars
        """

    def follow(self, tau: float) -> None:
        """
        Move the target networks.

        :param tau: how far, in [0, 1]
        """


class HasParameters(Protocol):
    """Networks with parameters of their own."""

    @property
    def parameters(self) -> list[th.Tensor]:
        """All of them, in one order."""


class Optimizer(Protocol):
    """Changes parameters by their gradients."""

    parameters: list[th.Tensor]

    def step(self, gradients: Sequence[th.Tensor], learning_rate: LearningRate) -> None:
        """Change the parameters in place."""


class TorchOptimizer:
    """
    Any optimiser of torch.

    :param optimizer: with one group of parameters
    :param parameters: of them, those that learn
    """

    def __init__(self, optimizer: th.optim.Optimizer, parameters: Sequence[th.Tensor]) -> None:
        self._optimizer = optimizer
        self.parameters = list(parameters)

    def step(self, gradients: Sequence[th.Tensor], learning_rate: LearningRate) -> None:
        """Change the parameters in place."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self._optimizer.param_groups[0]["lr"] = float(learning_rate)
        self._optimizer.step()
        self._optimizer.zero_grad()


def optimizer_of(module: nn.Module, networks: HasParameters | None) -> Optimizer:
    """
    Take an SB3 network's optimiser: ours on its state where it is plain Adam, else itself.

    :param module: an actor or critic of SB3
    :param networks: the same as plain networks, None if they are not
    """
    optimizer: th.optim.Optimizer = module.optimizer  # type: ignore[assignment]
    learned = _learned(module, optimizer) if networks is None else networks.parameters
    return leanest(optimizer, learned)


def leanest(optimizer: th.optim.Optimizer, parameters: Sequence[th.Tensor]) -> Optimizer:
    """
    Step as an optimiser does: ours on its state where it is plain Adam, else itself.

    :param optimizer: with one group of parameters
    :param parameters: of them, those that learn
    """
    try:
        return LeanAdam(optimizer, parameters)
    except NotPlainError:
        return TorchOptimizer(optimizer, parameters)


def _learned(module: nn.Module, optimizer: th.optim.Optimizer) -> list[th.Tensor]:
    """List the parameters of an optimiser without features of the actor that a critic shares."""
    shared: set[th.Tensor] = set()
    if getattr(module, "share_features_extractor", False):
        shared = set(module.features_extractor.parameters())  # type: ignore[union-attr]
    return [each for each in optimizer.param_groups[0]["params"] if each not in shared]


def gradients_of(loss: th.Tensor, optimizer: Optimizer) -> Sequence[th.Tensor]:
    """
    Differentiate a loss by the parameters of one optimiser, and by no others.

    :param loss: scalar
    :param optimizer: of the networks that learn from it
    """
    return th.autograd.grad(loss, optimizer.parameters, allow_unused=True, materialize_grads=True)


class Follower:
    """
    Networks that follow others slowly.

    :param pairs: networks that follow, and those that they follow
    """

    def __init__(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        self._followers: list[th.Tensor] = []
        self._leaders: list[th.Tensor] = []
        self._statistics: list[tuple[th.Tensor, th.Tensor]] = []
        for follower, leader in pairs:
            self._followers += follower.parameters
            self._leaders += leader.parameters
            self._statistics += zip(follower.statistics, leader.statistics, strict=True)

    def follow(self, tau: float) -> None:
        """
        Move; statistics, as of batch normalisation, are copied.

        :param tau: how far, in [0, 1]
        """
        with th.no_grad():
            th._foreach_lerp_(self._followers, self._leaders, tau)
            for ours, theirs in self._statistics:
                ours.copy_(theirs)
