"""Act outside torch: for one observation, calling torch costs more than the arithmetic."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch as th
from gymnasium import spaces
from torch import nn

Layer = tuple[th.Tensor, th.Tensor]
Function = Callable[[np.ndarray], np.ndarray]

_FUNCTIONS: dict[type[nn.Module], Function] = {
    nn.ReLU: lambda x: np.maximum(x, 0, out=x),
    nn.Tanh: np.tanh,
}


class NumpyActor:
    """
    Computes an actor's outputs in numpy, on live views of its weights.

    :param hidden: layers that all outputs share
    :param heads: last layers, one per output
    :param function: between the layers; may work in place
    """

    def __init__(
        self,
        hidden: Sequence[Layer],
        heads: Sequence[Layer],
        function: Function,
    ) -> None:
        self._hidden = [_as_numpy(layer) for layer in hidden]
        self._heads = [_as_numpy(layer) for layer in heads]
        self._function = function

    @classmethod
    def of(
        cls, hidden: Sequence[Layer], heads: Sequence[Layer], activation: type[nn.Module]
    ) -> Self | None:
        """
        Make an actor if numpy can compute it: on the CPU, in float32, with a known activation.

        :param hidden: layers that all outputs share
        :param heads: last layers, one per output
        :param activation: between the layers
        """
        tensor = heads[0][0]
        on_cpu = tensor.device.type == "cpu" and tensor.dtype == th.float32
        if not on_cpu or activation not in _FUNCTIONS:
            return None
        return cls(hidden, heads, _FUNCTIONS[activation])

    def __call__(self, x: np.ndarray) -> list[np.ndarray]:
        """
        Compute the outputs.

        :param x: (B, inputs) float32
        :return: (B, outputs) of each head
        """
        return self.outputs(self.hidden(x))

    def hidden(self, x: np.ndarray) -> np.ndarray:
        """
        Compute the layers that all outputs share.

        :param x: (B, inputs) float32
        """
        for weight, bias in self._hidden:
            x = x @ weight
            x += bias
            x = self._function(x)
        return x

    def outputs(self, x: np.ndarray) -> list[np.ndarray]:
        """
        Compute the last layers.

        :param x: what they read, (B, ...)
        """
        return [x @ weight + bias for weight, bias in self._heads]


def _as_numpy(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    weight, bias = layer
    return weight.detach().numpy().T, bias.detach().numpy()


def flat_observations(space: spaces.Space, observations: Any) -> np.ndarray:
    """
    Put observations side by side, as SB3's networks read them: discrete ones one-hot.

    :param space: of one observation
    :param observations: a batch, or a single one
    :return: (B, W) float32
    """
    if isinstance(space, spaces.Dict):
        return np.concatenate(
            [_flat(part, observations[key]) for key, part in space.spaces.items()], axis=1
        )
    return _flat(space, observations)


def _flat(space: spaces.Space, observations: Any) -> np.ndarray:
    if isinstance(space, spaces.Discrete):
        return _one_hot(np.reshape(observations, -1), int(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        columns = np.reshape(observations, (-1, len(space.nvec))).T
        return np.concatenate(list(map(_one_hot, columns, space.nvec)), axis=1)
    return np.asarray(observations, np.float32).reshape(-1, math.prod(space.shape))  # type: ignore[arg-type]


def _one_hot(choices: np.ndarray, n: int) -> np.ndarray:
    rows = np.zeros((len(choices), n), np.float32)
    rows[np.arange(len(choices)), choices.astype(np.int64)] = 1
    return rows


def is_single(space: spaces.Space, observations: Any) -> bool:
    """
    Tell a single observation from a batch.

    :param space: of one observation
    :param observations: a batch, or a single one
    """
    if isinstance(space, spaces.Dict):
        key, part = next(iter(space.spaces.items()))
        return np.shape(observations[key]) == part.shape
    return np.shape(observations) == space.shape
