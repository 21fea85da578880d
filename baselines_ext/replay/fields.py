"""What a replay store holds for each step: names, shapes and types."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

ACTION, REWARD, TERMINATED = "action", "reward", "terminated"
WHOLE_OBSERVATION = "observation"
"""The field of observations that are no Dict."""
GOALS = ("achieved_goal", "desired_goal")

_MOST_IN_FLOAT32 = 2**24


@dataclass(frozen=True)
class Field:
    """
    One field of a row.

    :param shape: of one value
    :param dtype: floats go into the float matrix, anything else is stored as it is
    :param is_wide: whether it holds whole numbers that float32 does not
    """

    shape: tuple[int, ...]
    dtype: Any = np.float32
    is_wide: bool = False

    @property
    def size(self) -> int:
        """Numbers in one value."""
        return math.prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether the field belongs to the float matrix."""
        return np.issubdtype(self.dtype, np.floating)


def observation_fields(space: spaces.Space) -> dict[str, Field]:
    """
    List the fields of an observation, in the order in which SB3's networks read them.

    Numbers of any type lie in the float matrix, images apart from it as bytes; but goals, which
    hindsight replaces and compares, always in the matrix.

    :param space: of observations
    """
    if not isinstance(space, spaces.Dict):
        return {WHOLE_OBSERVATION: _observation_field(space)}
    return {
        key: _observation_field(part, is_goal=key in GOALS) for key, part in space.spaces.items()
    }


def _observation_field(space: spaces.Space, *, is_goal: bool = False) -> Field:
    assert space.shape is not None
    if is_image_space(space) and not is_goal:
        return Field(space.shape, space.dtype)
    return Field(space.shape, is_wide=_largest_whole_number(space) > _MOST_IN_FLOAT32)


def _largest_whole_number(space: spaces.Space) -> int:
    """Tell how large the numbers of a space of whole numbers can be; 0 for any other."""
    if isinstance(space, spaces.Discrete):
        return max(abs(int(space.start)), abs(int(space.start + space.n)))
    if isinstance(space, spaces.MultiDiscrete):
        return int(np.abs(space.start + space.nvec).max())
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.integer):
        return max(abs(int(space.low.min())), abs(int(space.high.max())))
    return 0


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
