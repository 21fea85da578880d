"""A small part of ``python -m tests.faults.stores n=40``."""

from pathlib import Path

import pytest

from tests.faults.stores import campaign


@pytest.mark.slow
@pytest.mark.faults(12)
def test_harmed_stores_lose_nothing(tmp_path: Path):
    ends = campaign(12, 1, tmp_path)
    assert not [end for end in ends if "lost" in end], ends
