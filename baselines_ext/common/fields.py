"""What a replay store holds for each step: names, shapes and types."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

ACTION, REWARD, TERMINATED = "action", "reward", "terminated"
WHOLE_OBSERVATION = "observation"
"""The field of observations that are no Dict."""


@dataclass(frozen=True)
class Field:
    """
    One field of a row.

    :param shape: of one value
    :param dtype: floats are stored as float32, anything else as it is
    """

    shape: tuple[int, ...]
    dtype: Any = np.float32

    @property
    def size(self) -> int:
        """Numbers in one value."""
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether the field belongs to the float matrix."""
        return np.issubdtype(self.dtype, np.floating)

    @property
    def n_bytes(self) -> int:
        """Memory of one value."""
        return self.size * (4 if self.is_float else np.dtype(self.dtype).itemsize)


def observation_fields(space: spaces.Space) -> dict[str, Field]:
    """
    List the fields of an observation, in the order in which SB3's networks read them.

    :param space: of observations
    """
    if isinstance(space, spaces.Dict):
        return {key: Field(part.shape, part.dtype) for key, part in space.spaces.items()}  # type: ignore[arg-type]
    return {WHOLE_OBSERVATION: Field(space.shape, space.dtype)}  # type: ignore[arg-type]


def action_field(space: spaces.Space) -> Field:
    """
    Describe actions as they are stored: continuous ones scaled to [-1, 1].

    :param space: of actions
    """
    if isinstance(space, spaces.Box):
        return Field(space.shape)
    return Field(space.shape or (1,), np.int64)


def by_field(observations: Any) -> Mapping[str, Any]:
    """
    Name the fields of observations.

    :param observations: of a Dict space or any other, single or in a batch
    """
    if isinstance(observations, dict):
        return observations
    return {WHOLE_OBSERVATION: observations}
