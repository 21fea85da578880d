"""Recurrent cells in numpy, one step at a time, on live views of their weights."""

from collections.abc import Callable

import numpy as np
import torch as th
from torch import nn

from baselines_ext.networks.cells import Cell
from baselines_ext.networks.plain import NotPlainError

Step = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From the shares of input and state in the gates (B, G H) and the state (B, S) to
the state after it."""


def plain_cell(cell: Cell) -> list[th.Tensor]:
    """
    Get the parameters of a cell of one layer: of input and state the weights, then the biases.

    :param cell: any
    :raises NotPlainError: if it is more than one layer of torch's RNN with tanh, GRU or LSTM
    """
    module = cell.module
    is_plain = (
        type(module) in _STEPS
        and module.num_layers == 1
        and module.bias
        and not module.bidirectional
        and not getattr(module, "proj_size", 0)
        and getattr(module, "nonlinearity", "tanh") == "tanh"
    )
    if not is_plain:
        raise NotPlainError(f"its cell is {module}")
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [getattr(module, name) for name in names]


class NumpyCell:
    """
    Computes a cell.

    :param cell: of float32 on the CPU
    :raises NotPlainError: if it is more than one layer of torch's RNN with tanh, GRU or LSTM
    """

    def __init__(self, cell: Cell) -> None:
        of_input, of_state, *biases = [each.detach().numpy() for each in plain_cell(cell)]
        self._weights = of_input.T, of_state.T
        self._biases = biases
        self._width = of_state.shape[1]
        self._step = _STEPS[type(cell.module)]
        self.state_size = cell.state_size

    def __call__(self, x: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        Make a step.

        :param x: (B, I) float32
        :param state: (B, S)
        :return: outputs (B, H), and the state after it
        """
        given = x @ self._weights[0] + self._biases[0]
        kept = state[:, : self._width] @ self._weights[1] + self._biases[1]
        after = self._step(given, kept, state)
        return after[:, : self._width], after


def _sigmoid(x: np.ndarray) -> np.ndarray:
    gate: np.ndarray = 0.5 * np.tanh(0.5 * x) + 0.5  # never overflows
    return gate


def _rnn(given: np.ndarray, kept: np.ndarray, _: np.ndarray) -> np.ndarray:
    after: np.ndarray = np.tanh(given + kept)
    return after


def _gru(given: np.ndarray, kept: np.ndarray, state: np.ndarray) -> np.ndarray:
    width = state.shape[1]
    gates = _sigmoid(given[:, : 2 * width] + kept[:, : 2 * width])
    reset, update = gates[:, :width], gates[:, width:]
    fresh = np.tanh(given[:, 2 * width :] + reset * kept[:, 2 * width :])
    after: np.ndarray = fresh + update * (state - fresh)
    return after


def _lstm(given: np.ndarray, kept: np.ndarray, state: np.ndarray) -> np.ndarray:
    width = state.shape[1] // 2
    gates = given + kept
    fresh = np.tanh(gates[:, 2 * width : 3 * width])
    gates = _sigmoid(gates)
    after = np.empty_like(state)
    cell = gates[:, width : 2 * width] * state[:, width:] + gates[:, :width] * fresh
    after[:, width:] = cell
    after[:, :width] = gates[:, 3 * width :] * np.tanh(cell)
    return after


_STEPS: dict[type[nn.Module], Step] = {nn.RNN: _rnn, nn.GRU: _gru, nn.LSTM: _lstm}
