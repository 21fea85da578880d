"""Batches as tensors."""

from typing import NamedTuple, Self

import numpy as np
import torch as th

from baselines_ext.common.sampling import Batch


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
        return cls(
            *(
                th.from_numpy(np.asarray(array, np.float32)).to(
                    device, non_blocking=True, copy=True
                )
                for array in arrays
            )
        )
