"""What all tests share."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch as th

th.set_num_threads(1)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one MLflow database: its schema takes a second."""
    from experiment.tracking.store import connect

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(tmp_path: Path, empty_store: Path) -> list[str]:
    """Overrides for a database of this test's own."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return [
        "tracking=mlflow",
        f"tracking.uri=sqlite:///{tmp_path}/mlflow.db",
        f"tracking.artifact_location={tmp_path}/mlruns",
        "tracking.flush_interval_seconds=0.1",
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let reports know how many faults a test injects."""
    for item in items:
        marker = item.get_closest_marker("faults")
        if marker:
            item.user_properties.append(("faults", marker.args[0]))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Count the faults, where they were asked for."""
    if config.option.markexpr != "faults":
        return
    for outcome, said in (("passed", "nothing lost"), ("failed", "something lost or not told")):
        reports = [one for one in terminalreporter.getreports(outcome) if one.when == "call"]
        counts = [n for one in reports for name, n in one.user_properties if name == "faults"]
        terminalreporter.write_line(f"{sum(counts)} faults in {len(counts)} tests: {said}")
