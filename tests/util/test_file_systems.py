"""SQLite over a network is told, whoever opens it."""

from types import SimpleNamespace

import psutil
import pytest

from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from interface.errors import UserError
from util.file_systems import warn_of_network


@pytest.fixture(autouse=True)
def mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"/": "ext4", "/no/home": "nfs4", "/no/home/local": "xfs"}
    found = [SimpleNamespace(mountpoint=at, fstype=kind) for at, kind in kinds.items()]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: found)


def test_a_database_on_a_network_file_system_is_told(caplog: pytest.LogCaptureFixture):
    for local in ("sqlite:////no/home/local/mlflow.db", "http://no/home", "postgresql://no/home"):
        warn_of_network("tracking.uri", local, "a server")
    assert not caplog.messages
    warn_of_network("tracking.uri", "sqlite:////no/home/mlflow.db", "a server")
    assert caplog.messages == [
        "tracking.uri=sqlite:////no/home/mlflow.db lies on a network file system (nfs4), where "
        "SQLite's locks may fail; use a local file, or a server"
    ]


def test_a_study_there_is_told_too(caplog: pytest.LogCaptureFixture):
    with pytest.raises(UserError, match="cannot open"):
        open_storage("sqlite:////no/home/study.db")
    assert "hydra.sweeper.storage=sqlite:////no/home/study.db lies on a network" in caplog.text
