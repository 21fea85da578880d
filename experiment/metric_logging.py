"""Where SB3's logger writes: progress.csv, TensorBoard, the tracker, and this process's memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, SupportsFloat

from stable_baselines3.common.logger import KVWriter, Logger, make_output_format

from experiment.tracking import Tracker

_TENSORBOARD = "tensorboard"


class TrackerOutput(KVWriter):
    """
    Passes metrics on to a tracker and remembers the last value of each.

    :param tracker: of the run
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self.latest: dict[str, float] = {}
        """The last value of each metric."""

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Take what was recorded since the last time."""
        numbers = {
            key: float(value)
            for key, value in key_values.items()
            if not isinstance(value, bool | str) and isinstance(value, SupportsFloat)
        }
        self.latest |= numbers
        self._tracker.log_metrics(numbers, step)

    def close(self) -> None:
        """Nothing to close; the run closes its tracker."""


class Permission(KVWriter):
    """
    Asks before the outputs after it write.

    :param ask: raises if nothing may be written any more
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Ask."""
        self._ask()

    def close(self) -> None:
        """Nothing to close."""


def make_logger(
    run_dir: Path,
    output: TrackerOutput,
    ask: Callable[[], None],
    *,
    tensorboard: bool,
    step: int,
) -> Logger:
    """
    Make a model's logger.

    :param run_dir: folder of the run
    :param output: to the tracker
    :param ask: raises if nothing may be written any more
    :param tensorboard: also write TensorBoard files
    :param step: environment steps made before; a continued run starts a new progress file
    """
    suffix = f"-from-{step}" if step else ""
    csv = make_output_format("csv", str(run_dir), suffix)
    formats: list[KVWriter] = [Permission(ask), csv, output]
    if tensorboard:
        formats.append(make_output_format(_TENSORBOARD, str(run_dir / _TENSORBOARD), suffix))
    return Logger(str(run_dir), formats)
