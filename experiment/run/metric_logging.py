"""Where SB3's logger writes: progress.csv, TensorBoard, the tracker, and this process's memory."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from torch.utils.tensorboard import SummaryWriter

from experiment.run_folder.pending_metrics import only_numbers
from experiment.run_folder.run_directory import PROGRESS
from experiment.tracking import Tracker
from util.atomic_write import atomic_path

_TENSORBOARD = "tensorboard"
_STEP = "step"


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
        key_excluded: dict[str, tuple[str, ...]],  # noqa: ARG002
        step: int = 0,
    ) -> None:
        """Take what was recorded since the last time."""
        numbers = only_numbers(key_values)
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
        key_values: dict[str, Any],  # noqa: ARG002
        key_excluded: dict[str, tuple[str, ...]],  # noqa: ARG002
        step: int = 0,  # noqa: ARG002
    ) -> None:
        """Ask."""
        self._ask()

    def close(self) -> None:
        """Nothing to close."""


class ProgressTable(KVWriter):
    """
    Writes one row for each time that metrics are logged; columns come as they appear.

    :param path: of the file; a run that goes on continues the one that is there
    :param step: environment steps made before; later rows are dropped, they are made again
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        self._keys = [_STEP]
        before = _whole_rows(path) if step and path.exists() else []
        kept = [row for row in before if int(row[_STEP]) <= step]
        self._rewrite(kept)
        self.latest = {
            key: float(row[key]) for row in kept for key in row if row[key] and key != _STEP
        }
        """The last value of each metric, of a run that goes on."""

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],  # noqa: ARG002
        step: int = 0,
    ) -> None:
        """Add a row."""
        row = {_STEP: step, **only_numbers(key_values)}
        if set(row) <= set(self._keys):
            with self._path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._keys, lineterminator="\n").writerow(row)
        else:
            self._rewrite([*_whole_rows(self._path), row])

    def _rewrite(self, rows: list[dict[str, Any]]) -> None:
        new = {key for row in rows for key in row} - set(self._keys)
        self._keys += sorted(new)
        with (
            atomic_path(self._path) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, self._keys, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def close(self) -> None:
        """Nothing to close."""


def _whole_rows(path: Path) -> list[dict[str, Any]]:
    """Read all rows but one that a full disk or a kill cut short."""
    with path.open(encoding="utf-8", newline="") as file:
        whole = [line for line in file if line.endswith("\n")]
    return list(csv.DictReader(whole))


class _TensorBoard(TensorBoardOutputFormat):
    """SB3's, with the points hidden that are made again."""

    def __init__(self, folder: Path, step: int) -> None:
        self.writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
        self._is_closed = False


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
    :param step: environment steps made before; what was logged later is dropped
    """
    table = ProgressTable(run_dir / PROGRESS, step)
    output.latest |= table.latest
    formats: list[KVWriter] = [Permission(ask), table, output]
    if tensorboard:
        formats.append(_TensorBoard(run_dir / _TENSORBOARD, step))
    return Logger(str(run_dir), formats)
