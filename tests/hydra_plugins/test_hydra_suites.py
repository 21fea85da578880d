"""Hydra's own test suite for launchers, on those that our search is run with."""

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import LauncherTestSuite

from hydra_plugins.early_stop_tpe_sweeper.early_stop_tpe_sweeper import EarlyStopTpeSweeper


def test_hydra_finds_the_sweeper():
    found = {one.__name__ for one in Plugins.instance().discover(Sweeper)}
    assert {"EarlyStopTpeSweeper", "OptunaSweeper", "BasicSweeper"} <= found
    assert EarlyStopTpeSweeper.__name__ in found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher_name", "overrides"), [("joblib", ["hydra.launcher.n_jobs=2"]), ("basic", [])]
)
class TestLaunchers(LauncherTestSuite):
    """Nothing of ours to add."""
