"""Small campaigns of each kind; the full ones are run by hand."""

from pathlib import Path

import pytest

from tests.faults import kill_runs


@pytest.mark.slow
@pytest.mark.faults(6)
def test_kills_of_runs(tmp_path: Path):
    summary = kill_runs.campaign(6, 0, tmp_path)
    assert not summary.bad, "\n".join(summary.bad)
