"""Small campaigns of each kind; the full ones are run by hand."""

from pathlib import Path

import pytest

from tests.faults import disks, kill_runs, signals


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
