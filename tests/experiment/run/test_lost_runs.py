"""A run whose trial another sweeper took over leaves that one's folder as it is."""

from pathlib import Path

import pytest

from interface.result import Status
from interface.run_monitor import NullMonitor, RunLostError
from tests.running import TINY, train

LEFT_ALONE = ("progress.csv", "evaluations.csv", "config.yaml", "last.zip", "best_model.zip")


class LostAfter(NullMonitor):
    """Loses its trial after some questions."""

    def __init__(self, n_questions: int) -> None:
        self._left = n_questions

    def check_ours(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise RunLostError("another sweeper's")


@pytest.mark.parametrize("n_questions", [0, 1, 2])
def test_a_run_that_is_lost_while_it_starts_drops_no_rows(n_questions: int, tmp_path: Path):
    """A slow store lies between the questions: by then the other one's rows may be there."""
    train(tmp_path, *TINY)
    before = {name: (tmp_path / name).read_bytes() for name in LEFT_ALONE}
    monitor = [
        f"+run_monitor.n_questions={n_questions}",
        f"run_monitor._target_={__name__}.LostAfter",
    ]
    result = train(tmp_path, *TINY, *monitor)
    assert result.status is Status.INTERRUPTED
    after = {name: (tmp_path / name).read_bytes() for name in LEFT_ALONE}
    changed = {name for name in LEFT_ALONE if after[name] != before[name]}
    assert changed <= ({"config.yaml"} if n_questions else set())
