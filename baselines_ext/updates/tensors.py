"""Batches as tensors."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch as th

from baselines_ext.replay.samplers import Batch

TargetRange = tuple[float, float]
"""Least and greatest value that critics shall predict."""

UNBOUNDED: TargetRange = (-math.inf, math.inf)


def as_target_range(values: Sequence[float] | None) -> TargetRange | None:
    """
    Check a range that a config gives.

    :param values: least and greatest, or None
    :raises ValueError: if it holds no value
    """
    if values is None:
        return None
    if len(values) != 2 or not values[0] < values[1]:
        raise ValueError(f"target_range must be [least, greatest], got {list(values)}")
    return float(values[0]), float(values[1])


class TensorBatch(NamedTuple):
    """
    A batch on the device; see ``sampling.Batch``.

    :param observations: (B, W)
    :param actions: (B, A)
    :param rewards: (B, 1)
    :param next_observations: (B, W)
    :param discounts: (B, 1)
    """

    observations: th.Tensor
    actions: th.Tensor
    rewards: th.Tensor
    next_observations: th.Tensor
    discounts: th.Tensor

    @classmethod
    def from_numpy(cls, batch: Batch, device: th.device) -> Self:
        """
        Take a batch to a device, as float32.

        Copied on the CPU, too: torch aligns its memory, numpy less strictly, and with the alignment
        the last bits of a matrix product change, so that two runs of one seed would differ.

        :param batch: sampled
        :param device: of the learner
        """
        arrays = (
            batch.observations,
            batch.actions,
            batch.rewards[:, None],
            batch.next_observations,
            batch.discounts[:, None],
        )
        tensors = []
        for array in arrays:
            tensor = th.from_numpy(np.asarray(array, np.float32))
            tensors.append(tensor.to(device, non_blocking=True, copy=True))
        return cls(*tensors)
