"""Small campaigns of each kind; the full ones are run by hand."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.faults import (
    disks,
    kill_launch,
    kill_matrix,
    kill_mirror,
    kill_runs,
    kill_searches,
    signals,
)


@pytest.mark.slow
@pytest.mark.faults(6)
def test_kills_of_runs(tmp_path: Path):
    summary = kill_runs.campaign(6, 0, tmp_path)
    assert not summary.bad, "\n".join(summary.bad)


@pytest.mark.slow
@pytest.mark.faults(4)
def test_full_disks(tmp_path: Path):
    summary = disks.campaign(4, 0, tmp_path)
    assert not summary.bad, "\n".join(summary.bad)


@pytest.mark.slow
@pytest.mark.faults(8)
def test_signals(tmp_path: Path):
    summary = signals.campaign(8, tmp_path)
    assert not summary.bad, "\n".join(summary.bad)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", [kill_launch, kill_matrix, kill_mirror, kill_searches])
@pytest.mark.faults(3)
def test_kills_of_what_runs_many(what: ModuleType, tmp_path: Path):
    summary = what.campaign(3, 0, tmp_path)
    assert not summary.bad, "\n".join(summary.bad)
