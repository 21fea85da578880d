"""The learner crashes at step 500."""

from typing import Any

from baselines_ext.sac.sac import SAC

_right = SAC.train


def _crashing(self: Any, *arguments: Any, **named: Any) -> None:
    if self.num_timesteps >= 500:
        raise RuntimeError("the learner crashed")
    _right(self, *arguments, **named)


SAC.train = _crashing  # type: ignore[method-assign]
