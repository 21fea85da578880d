"""Fold what lies between observations and networks into the networks: plain SB3 has no such map."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import get_actor_critic_arch
from torch import nn

from baselines_ext.networks.inputs import MOST, NetworkInputs
from baselines_ext.networks.plain import Network


class Folding:
    """
    Networks that read observations as they are and answer as ours do with their inputs.

    The linear part of the map goes into the first layer. Its clip is one more layer in front, where
    the activation is ReLU: clip(u) = relu(u + c) - relu(u - c) - c for the bound c; actions, which
    critics read beside, pass as relu(a + 1) - 1. Other activations cannot hold the clip.

    :param inputs: the map
    :param activation: of the networks
    """

    def __init__(self, inputs: NetworkInputs, activation: type[nn.Module]) -> None:
        self._matrix, self._offset = inputs.linear()
        self._has_clip_layer = inputs.clips and activation is nn.ReLU
        self.exact = self._has_clip_layer or not inputs.clips

    def policy_kwargs(self, policy: BasePolicy, n_actions: int) -> dict[str, Any]:
        """
        Tell what SB3's policy needs to hold the folded networks.

        :param policy: of our agent
        :param n_actions: numbers in an action
        """
        if not self._has_clip_layer:
            return {}
        actor, critic = get_actor_critic_arch(policy.net_arch)  # type: ignore[arg-type]
        n_units = 2 * len(self._offset)
        return {"net_arch": {"pi": [n_units, *actor], "qf": [n_units + n_actions, *critic]}}

    def fold(self, ours: Sequence[Network], plain: Sequence[Network]) -> None:
        """
        Write the weights of networks.

        :param ours: that read inputs, and perhaps actions behind them
        :param plain: of SB3's policy, as many; they are changed
        """
        for network, folded in zip(ours, plain, strict=True):
            first, *others = [
                tuple(tensor.detach().cpu().numpy().astype(np.float64) for tensor in layer)
                for layer in network.layers
            ]
            layers = [*self._folded(*first), *others]
            for layer, values in zip(folded.layers, layers, strict=True):
                for tensor, value in zip(layer, values, strict=True):
                    with th.no_grad():
                        tensor.copy_(th.from_numpy(value))

    def _folded(self, weight: np.ndarray, bias: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Replace the first layer by one or two."""
        width = len(self._offset)
        of_inputs, of_actions = weight[:, :width], weight[:, width:]
        if not self._has_clip_layer:
            folded = np.hstack([of_inputs @ self._matrix, of_actions])
            return [(folded, bias + of_inputs @ self._offset)]
        n_actions = of_actions.shape[1]
        above_and_below = np.vstack([self._matrix, self._matrix])
        clip = np.block(
            [
                [above_and_below, np.zeros((2 * width, n_actions))],
                [np.zeros((n_actions, width)), np.eye(n_actions)],
            ]
        )
        shift = np.concatenate([self._offset + MOST, self._offset - MOST, np.ones(n_actions)])
        back = bias - MOST * of_inputs.sum(axis=1) - of_actions.sum(axis=1)
        return [(clip, shift), (np.hstack([of_inputs, -of_inputs, of_actions]), back)]
