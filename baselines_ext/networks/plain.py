"""SB3's networks as plain tensors, and the functions that they compute."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BaseModel, BasePolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor
from torch import nn

Activation = Callable[[th.Tensor], th.Tensor]


class Network(NamedTuple):
    """
    A multi-layer perceptron.

    :param layers: weight (outputs, inputs) and bias (outputs,) of each layer
    :param activation: between the layers
    """

    layers: list[tuple[th.Tensor, th.Tensor]]
    activation: Activation

    @property
    def parameters(self) -> list[th.Tensor]:
        """All parameters, weight before bias."""
        return [tensor for layer in self.layers for tensor in layer]

    def detached(self) -> "Network":
        """See the same parameters without their gradients."""
        layers = [(weight.detach(), bias.detach()) for weight, bias in self.layers]
        return self._replace(layers=layers)


class NotPlainError(Exception):
    """A policy is more than multi-layer perceptrons that read flat observations."""


def network_of(layers: Sequence[nn.Linear], activation: type[nn.Module]) -> Network:
    """
    Read a network; it shares its parameters with SB3's modules.

    :param layers: in their order
    :param activation: between them
    """
    function = th.relu_ if activation is nn.ReLU else activation()
    return Network([(layer.weight, layer.bias) for layer in layers], function)


def linear_layers(modules: Sequence[nn.Module]) -> list[nn.Linear]:
    """
    Pick the linear layers of a plain multi-layer perceptron.

    :param modules: alternating linear layers and activations
    :raises NotPlainError: if there is anything else
    """
    linear, activations = list(modules[0::2]), modules[1::2]
    plain = all(type(module) is nn.Linear and module.bias is not None for module in linear)
    if not plain or any(
        isinstance(module, nn.Dropout) or list(module.parameters()) for module in activations
    ):
        raise NotPlainError("its networks hold other layers than linear ones")
    return linear  # type: ignore[return-value]


class PlainCritics(NamedTuple):
    """
    An ensemble of critics.

    :param networks: n of them, with one output each
    """

    networks: list[Network]

    @classmethod
    def of(cls, critic: nn.Module, activation: type[nn.Module]) -> Self:
        """
        Read SB3's.

        :param critic: a ``ContinuousCritic``
        :param activation: between its layers
        :raises NotPlainError: if it is more than multi-layer perceptrons
        """
        return cls(
            [
                network_of(linear_layers(list(network)), activation)
                for network in critic.q_networks  # type: ignore[union-attr]
            ]
        )

    @property
    def parameters(self) -> list[th.Tensor]:
        """All parameters, one network after the other."""
        return [tensor for network in self.networks for tensor in network.parameters]

    @property
    def statistics(self) -> list[th.Tensor]:
        """What networks keep beside parameters: nothing."""
        return []

    def first(self) -> Self:
        """Take the first one alone."""
        return self._replace(networks=self.networks[:1])

    def frozen(self) -> Self:
        """See the same parameters without their gradients."""
        return self._replace(networks=[network.detached() for network in self.networks])

    def __call__(self, observations: th.Tensor, actions: th.Tensor) -> th.Tensor:
        """
        Compute values.

        :param observations: (B, W)
        :param actions: (B, A)
        :return: (B, n)
        """
        x = th.cat((observations, actions), dim=1)
        return th.cat([forward(network, x) for network in self.networks], dim=1)


def require_plain(policy: BasePolicy, *networks: BaseModel) -> None:
    """
    Check that networks read their observations as a memory holds them, each by itself.

    :param policy: of SB3
    :param networks: its actors and critics
    :raises NotPlainError: if they make anything else of them
    """
    if policy.share_features_extractor:
        raise NotPlainError("it shares its features")
    for network in networks:
        require_flat_features(network)
        if any(not isinstance(part, spaces.Box | spaces.MultiBinary) for part in _parts(network)):
            raise NotPlainError("it reads discrete observations")


def require_flat_features(network: BaseModel) -> None:
    """
    Check that a network reads ``flat_observations``.

    :param network: of SB3
    :raises NotPlainError: if it makes anything else of its observations
    """
    extractor = network.features_extractor
    if type(extractor) not in (FlattenExtractor, CombinedExtractor):
        raise NotPlainError(f"it reads observations through {type(extractor).__name__}")
    if any(is_image_space(part) for part in _parts(network)):
        raise NotPlainError("it reads images")


def _parts(network: BaseModel) -> list[spaces.Space]:
    space = network.observation_space
    return list(space.spaces.values()) if isinstance(space, spaces.Dict) else [space]


def forward(network: Network, x: th.Tensor) -> th.Tensor:
    """
    Compute a network.

    :param network: of any depth
    :param x: (B, inputs)
    :return: (B, outputs)
    """
    for weight, bias in network.layers[:-1]:
        x = network.activation(th.addmm(bias, x, weight.t()))
    weight, bias = network.layers[-1]
    return th.addmm(bias, x, weight.t())
