"""Rewards for ``reward=``, each a function that is called after a step."""

from typing import Any

import numpy as np


def action_cost(
    observation: Any,  # noqa: ARG001
    action: Any,
    reward: float,
    info: dict[str, Any],  # noqa: ARG001
    *,
    weight: float = 0.1,
) -> float:
    """
    Let strong actions cost something, where they are continuous.

    :param observation: after the step, not used
    :param action: of the step, numbers
    :param reward: of the environment
    :param info: of the step, not used
    :param weight: of the action's squared norm
    """
    if not np.issubdtype(np.asarray(action).dtype, np.floating):
        raise TypeError(f"action_cost is for continuous actions, got {action}")
    return reward - weight * float(np.sum(np.square(action)))
