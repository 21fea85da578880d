"""How many actions each layer has for its goal."""

import math
from collections.abc import Sequence


def resolve_time_scales(
    time_scales: Sequence[int], n_layers: int, max_episode_steps: int | None
) -> list[int]:
    """
    Check time scales and fill in the one that is left open.

    :param time_scales: one per layer, highest first; one of them may be -1: as many as fit into
        the episode
    :param n_layers: number of layers
    :param max_episode_steps: of the environment, None if its episodes are not truncated
    :return: the numbers of actions, at least 1 each
    :raises ValueError: if they do not fit the layers or the episode
    """
    scales = list(time_scales)
    if len(scales) != n_layers:
        raise ValueError(f"time_scales={scales} has {len(scales)} entries for {n_layers} layers")
    if any(scale == 0 or scale < -1 for scale in scales):
        raise ValueError(f"time_scales={scales}: each must be at least 1, or -1 for one of them")
    if scales.count(-1) > 1:
        raise ValueError(f"time_scales={scales}: only one can be -1")
    if max_episode_steps is None:
        if -1 in scales:
            raise ValueError(f"time_scales={scales}: without max_episode_steps none can be -1")
        return scales
    others = math.prod(scale for scale in scales if scale != -1)
    if others > max_episode_steps:
        product = " * ".join(str(scale) for scale in scales if scale != -1)
        raise ValueError(
            f"time_scales={scales}: {product} = {others} is more than the {max_episode_steps} "
            f"steps of an episode"
        )
    return [max_episode_steps // others if scale == -1 else scale for scale in scales]
