"""What all tests share."""

import shutil
from pathlib import Path

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
