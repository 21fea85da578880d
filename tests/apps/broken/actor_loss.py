"""The actor goes where its critics see least."""

from typing import Any

import torch as th

from baselines_ext.sac import update

_right = update.actor_loss  # type: ignore[attr-defined]


def _flipped(*arguments: Any) -> th.Tensor:
    return -_right(*arguments)


update.actor_loss = _flipped  # type: ignore[attr-defined, assignment]
