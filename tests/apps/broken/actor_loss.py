"""The actor goes where its critics see least."""

from typing import Any

import torch as th

from baselines_ext.sac.losses import SacUpdate

_right = SacUpdate.actor_loss


def _flipped(*arguments: Any) -> th.Tensor:
    return -_right(*arguments)


SacUpdate.actor_loss = _flipped  # type: ignore[assignment, method-assign]
