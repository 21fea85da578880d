"""How a learning rate changes while an agent trains: by name, or by a class of your own."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from interface.errors import unknown_name

Schedule = Callable[[float], float]
"""From the share of the training that is done, in [0, 1], to a factor of the learning rate."""


@dataclass(frozen=True)
class Linear:
    """
    Falls in a straight line.

    :param end: factor at the end, at least 0
    """

    end: float = 0.0

    def __call__(self, done: float) -> float:
        """Tell the factor."""
        return 1 + done * (self.end - 1)


@dataclass(frozen=True)
class Warmup:
    """
    Rises from 0 in a straight line, then stays.

    :param share: of the training in which it rises, more than 0
    """

    share: float = 0.05

    def __post_init__(self) -> None:
        """Check the range."""
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be more than 0 and at most 1, got {self.share}")

    def __call__(self, done: float) -> float:
        """Tell the factor."""
        return min(1.0, done / self.share)


@dataclass(frozen=True)
class Exponential:
    """
    Falls by the same ratio in every step.

    :param end: factor at the end, more than 0
    """

    end: float = 0.01

    def __post_init__(self) -> None:
        """Check the range."""
        if self.end <= 0:
            raise ValueError(f"end must be more than 0, got {self.end}")

    def __call__(self, done: float) -> float:
        """Tell the factor."""
        return self.end**done


@dataclass(frozen=True)
class Cosine:
    """
    Falls slowly, fast, slowly: half a cosine (https://arxiv.org/abs/1608.03983, equation 5).

    :param end: factor at the end, at least 0
    """

    end: float = 0.0

    def __call__(self, done: float) -> float:
        """Tell the factor."""
        return self.end + (1 - self.end) * 0.5 * (1 + math.cos(math.pi * done))


SCHEDULES: dict[str, Schedule | None] = {
    "constant": None,
    "linear": Linear(),
    "warmup": Warmup(),
    "exponential": Exponential(),
    "cosine": Cosine(),
}
"""By the names that a config may give; None: as ``learning_rate`` says."""


class SchedulesLearningRate(BaseAlgorithm):
    """
    Trains with a learning rate that changes.

    :param arguments: of the SB3 class
    :param learning_rate_schedule: ``constant``, ``linear``, ``warmup``, ``exponential``,
        ``cosine``, or a ``Schedule``; multiplies ``learning_rate``
    :param keywords: of the SB3 class
    :raises ValueError: for another name, or beside a ``learning_rate`` that is itself a schedule
    """

    def __init__(
        self,
        *arguments: Any,
        learning_rate_schedule: str | Schedule = "constant",
        **keywords: Any,
    ) -> None:
        if isinstance(learning_rate_schedule, str) and learning_rate_schedule not in SCHEDULES:
            raise unknown_name("learning_rate_schedule", learning_rate_schedule, SCHEDULES)
        self.learning_rate_schedule = learning_rate_schedule
        super().__init__(*arguments, **keywords)

    def _setup_lr_schedule(self) -> None:
        super()._setup_lr_schedule()
        chosen = self.learning_rate_schedule
        schedule = SCHEDULES[chosen] if isinstance(chosen, str) else chosen
        if schedule is None:
            return
        if callable(self.learning_rate):
            raise ValueError(
                f"learning_rate_schedule={chosen} multiplies a number, but learning_rate is itself "
                f"a schedule: {self.learning_rate}"
            )
        self.lr_schedule = _Scheduled(self.learning_rate, schedule)


@dataclass(frozen=True)
class _Scheduled:
    """A learning rate as SB3 asks for it."""

    start: float
    schedule: Schedule

    def __call__(self, progress_remaining: float) -> float:
        return self.start * self.schedule(1 - progress_remaining)
