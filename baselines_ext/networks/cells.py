"""Recurrent cells: networks that remember what they saw in an episode."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch as th
from torch import nn

from interface.errors import UserError

MakeModule = Callable[[int, int], nn.Module]
"""Makes a module with the interface of ``torch.nn.GRU`` from numbers of inputs and outputs."""


@dataclass(frozen=True)
class Memory:
    """
    A cell in the place of the last dense layer of actor and critic; a ``network.cell`` node.

    :param module: makes it: ``torch.nn.RNN``, ``GRU``, ``LSTM`` or one of their kind
    :param tbptt: steps through which gradients flow back (truncated back-propagation through
        time, https://doi.org/10.1162/neco.1990.2.4.490), at least 1
    :raises UserError: for fewer
    """

    module: MakeModule
    tbptt: int = 16

    def __post_init__(self) -> None:
        """Refuse to let gradients flow through no step."""
        if self.tbptt < 1:
            raise UserError(f"network.cell.tbptt must be at least 1, got {self.tbptt}")


class Cell(nn.Module):
    """
    A recurrent module that forgets where an episode begins.

    Its state is one row (S,) per environment: for an LSTM the hidden state and the cell state.

    :param make: the module
    :param n_inputs: I
    :param width: of its output, H
    """

    def __init__(self, make: MakeModule, n_inputs: int, width: int) -> None:
        super().__init__()
        self.module = make(n_inputs, width)
        for name, parameter in self.module.named_parameters():
            nn.init.zeros_(parameter) if "bias" in name else nn.init.orthogonal_(parameter)
        with th.no_grad():
            _, state = self.module(th.zeros(1, 1, n_inputs))
        self._is_tuple = isinstance(state, tuple)
        parts = state if self._is_tuple else (state,)
        self._shapes = [(part.shape[0], part.shape[2]) for part in parts]  # layers, width
        self.state_size = sum(n_layers * width for n_layers, width in self._shapes)

    def forward(self, x: th.Tensor, state: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """
        Go through steps of the same episodes.

        :param x: (T, B, I)
        :param state: before them, (B, S)
        :return: outputs (T, B, H), and the state after them
        """
        outputs, after = self.module(x, self._unpacked(state))
        parts = after if self._is_tuple else (after,)
        return outputs, th.cat([part.transpose(0, 1).flatten(1) for part in parts], dim=1)

    def _unpacked(self, state: th.Tensor) -> th.Tensor | tuple[th.Tensor, ...]:
        sizes = [n_layers * width for n_layers, width in self._shapes]
        parts = tuple(
            part.reshape(-1, *shape).transpose(0, 1).contiguous()
            for part, shape in zip(th.split(state, sizes, dim=1), self._shapes, strict=True)
        )
        return parts if self._is_tuple else parts[0]


Unrolled = tuple[th.Tensor, Mapping[int, th.Tensor]]
"""Outputs (T, B, H), and by number of a step the states (B, S) before it; number T: at the end."""

Unroll = Callable[[Cell, th.Tensor, th.Tensor, th.Tensor, Collection[int]], Unrolled]
"""A function like ``unroll``."""


def unroll(
    cell: Cell, x: th.Tensor, starts: th.Tensor, state: th.Tensor, before: Collection[int] = ()
) -> Unrolled:
    """
    Go through steps, from one beginning of an episode to the next in one call.

    :param cell: with inputs I and outputs H
    :param x: (T, B, I)
    :param starts: (T, B), 1 where an episode begins, else 0
    :param state: before the first step, (B, S)
    :param before: steps whose states are wanted
    """
    if th.compiler.is_compiling():  # where episodes begin is no constant of a graph
        return _unroll_each_step(cell, x, starts, state)
    begins = starts.any(dim=1).nonzero().flatten().tolist()
    edges = sorted({0, len(x), *begins, *before})
    outputs, states = [], {}
    for begin, end in pairwise(edges):
        states[begin] = state
        state = state * (1 - starts[begin, :, None])
        y, state = cell(x[begin:end], state)
        outputs.append(y)
    states[len(x)] = state
    return th.cat(outputs), states


def _unroll_each_step(cell: Cell, x: th.Tensor, starts: th.Tensor, state: th.Tensor) -> Unrolled:
    outputs = []
    for step in range(len(x)):
        y, state = cell(x[step : step + 1], state * (1 - starts[step, :, None]))
        outputs.append(y)
    return th.cat(outputs), {len(x): state}
