"""Metrics that were recorded, and not yet logged when a run stopped."""

from typing import Any, SupportsFloat

from stable_baselines3.common.logger import Logger

PendingMetrics = dict[str, tuple[float, int, list[str]]]
"""Of each metric recorded and not yet logged: value, count of SB3's mean, outputs left out."""


def only_numbers(key_values: dict[str, Any]) -> dict[str, float]:
    """
    Leave out what is no number: texts, pictures, what is only for a console.

    :param key_values: as SB3's logger holds them
    """
    return {
        key: float(value)
        for key, value in key_values.items()
        if not isinstance(value, bool | str) and isinstance(value, SupportsFloat)
    }


def pending(logger: Logger) -> PendingMetrics:
    """
    Read what was recorded since metrics were logged the last time.

    :param logger: of a model
    """
    return {
        key: (value, logger.name_to_count[key], list(logger.name_to_excluded[key]))
        for key, value in only_numbers(dict(logger.name_to_value)).items()
    }


def put_back(logger: Logger, metrics: PendingMetrics) -> None:
    """
    Record what another process had recorded.

    :param logger: of a model
    :param metrics: from ``pending``
    """
    for key, (value, count, excluded) in metrics.items():
        logger.record(key, value, tuple(excluded))
        logger.name_to_count[key] = count
