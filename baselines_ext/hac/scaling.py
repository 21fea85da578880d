"""Scale actions and goals to [-1, 1], and back."""

from typing import Any

import numpy as np
from gymnasium import spaces


def scaled(box: spaces.Box, values: np.ndarray) -> np.ndarray:
    """
    Scale values to [-1, 1]; what lies outside the box is put on its border.

    :param box: bounded
    :param values: (A,)
    """
    width = np.maximum(box.high - box.low, np.finfo(np.float32).tiny)  # of what never differs: 0
    return np.clip(2 * (values - box.low) / width - 1, -1, 1).astype(np.float32)


def unscaled(box: spaces.Box, values: np.ndarray) -> Any:
    """
    Undo ``scaled``.

    :param box: bounded
    :param values: (A,) in [-1, 1]
    """
    return (box.low + 0.5 * (values + 1) * (box.high - box.low)).astype(np.float32)
