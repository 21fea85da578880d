"""SB3's networks as they are, of any layers: what losses ask of them."""

from typing import Any

import torch as th
from torch import nn


class ModuleNetwork:
    """
    A module, with its parameters and statistics as lists.

    :param module: an actor or critic of SB3
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    @property
    def parameters(self) -> list[th.Tensor]:
        """All parameters, in torch's order."""
        return [parameter.detach() for parameter in self._module.parameters()]

    @property
    def statistics(self) -> list[th.Tensor]:
        """What batch normalisation keeps of what it has seen."""
        return [each for name, each in self._module.named_buffers() if "running_" in name]


class ModuleCritics(ModuleNetwork):
    """An ensemble of critics."""

    def __call__(self, observations: Any, actions: th.Tensor) -> th.Tensor:
        """
        Compute values.

        :param observations: of B transitions, as SB3's networks read them
        :param actions: (B, A)
        :return: (B, n)
        """
        return th.cat(self._module(observations, actions), dim=1)

    def first(self) -> "ModuleCritics":
        """Take the first one alone."""
        return _FirstCritic(self._module)

    def frozen(self) -> "ModuleCritics":
        """Return itself: only gradients that are asked for are computed."""
        return self


class _FirstCritic(ModuleCritics):
    def __call__(self, observations: Any, actions: th.Tensor) -> th.Tensor:
        values: th.Tensor = self._module.q1_forward(observations, actions)  # type: ignore[operator]
        return values
