"""What lies between observations and the layers of networks: SB3's features extractors by name."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import (
    BaseFeaturesExtractor,
    CombinedExtractor,
    FlattenExtractor,
    NatureCNN,
)

from interface.errors import UserError

Encoder = tuple[type[BaseFeaturesExtractor], dict[str, Any]]
"""A class, and its arguments beside the observation space."""


def flat_encoder(space: spaces.Space) -> Encoder:
    """
    Put everything side by side.

    :param space: of observations; images may stand alone, not in a Dict
    :raises UserError: for images in a Dict
    """
    if not isinstance(space, spaces.Dict):
        return FlattenExtractor, {}
    if images := _images(space):
        raise UserError(
            f"network/encoder=flat reads no images in Dict observations, got {', '.join(images)}; "
            f"what fits: network/encoder=cnn"
        )
    return CombinedExtractor, {}


def cnn_encoder(space: spaces.Space, features_dim: int = 512) -> Encoder:
    """
    Read images by convolutions (https://www.nature.com/articles/nature14236).

    :param space: of observations, images or a Dict with images
    :param features_dim: numbers that an image becomes, at least 1
    :raises UserError: if there are no images
    """
    images = _images(space)
    if not images:
        raise UserError(
            f"network/encoder=cnn reads images, got observations {space}; "
            f"what fits: network/encoder=flat"
        )
    if isinstance(space, spaces.Dict):
        return CombinedExtractor, {"cnn_output_dim": features_dim}
    return NatureCNN, {"features_dim": features_dim}


def _images(space: spaces.Space) -> list[str]:
    """Name the fields that are images."""
    parts: Mapping[str, spaces.Space] = (
        space.spaces if isinstance(space, spaces.Dict) else {"the observation": space}
    )
    return [key for key, part in parts.items() if is_image_space(part)]


def encoder_of(node: partial[Any], space: spaces.Space) -> Encoder:
    """
    Read the ``network.encoder`` node of a config.

    :param node: a function of the space like those above, or a features extractor of SB3's kind
    :param space: of observations
    :return: the class, and its arguments
    """
    if isinstance(node.func, type) and issubclass(node.func, BaseFeaturesExtractor):
        return node.func, dict(node.keywords)
    encoder: Encoder = node(space)
    return encoder
