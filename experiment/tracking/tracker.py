"""What a run tells its tracker."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from experiment.tracking.journal import Journal
from experiment.tracking.sender import Sender
from experiment.tracking.store import PARENT, connect, experiment_id, open_run, parent_run
from experiment.tracking.system_metrics import SystemMetrics
from interface.run_files import RUN_ID
from util.atomic_write import atomic_write_text

log = logging.getLogger(__name__)

END_STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class Tracker(Protocol):
    """A sink for one run."""

    run_id: str | None

    def start(
        self,
        folder: Path,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        sweep_dir: Path | None = None,
    ) -> None:
        """
        Open the run, or reopen the one whose id lies in the folder.

        :param folder: of the run
        :param name: of a new run
        :param params: written once, when the run is new
        :param tags: written at each start
        :param sweep_dir: of the search that the run belongs to
        """

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """
        Log metrics.

        :param values: by key
        :param step: environment steps so far
        """

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """
        Keep a file with the run.

        :param path: in the run's folder; must not change until the run ends
        :param folder: among the artifacts; None: at their top
        """

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """
        Tag the run.

        :param tags: new ones, or new values
        """

    def close(self, end: str) -> None:
        """
        End the run.

        :param end: finished, failed or interrupted
        """

    def abandon(self) -> None:
        """Stop without a word: the run is somebody else's now, and so is its record."""

    def cost(self) -> dict[str, float]:
        """Tell the seconds spent: ``calls`` in the training thread, ``sender`` beside it."""


class NullTracker:
    """Tracks nothing."""

    run_id: str | None = None

    def start(
        self,
        folder: Path,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        sweep_dir: Path | None = None,
    ) -> None:
        """Do nothing."""

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Do nothing."""

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Do nothing."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Do nothing."""

    def close(self, end: str) -> None:
        """Do nothing."""

    def abandon(self) -> None:
        """Do nothing."""

    def cost(self) -> dict[str, float]:
        """Nothing was spent."""
        return {"calls": 0.0, "sender": 0.0}


class MlflowTracker:
    """
    Tracks a run in MLflow.

    :param uri: of the store, e.g. ``sqlite:///mlflow.db`` or ``http://host:5000``
    :param artifact_location: folder for artifacts; ignored where a server stores them
    :param experiment_name: MLflow experiment of the run
    :param flush_interval_seconds: pause between two batches
    :param system_metrics_interval_seconds: pause between two samples of the machine; 0 for none
    :param close_timeout_seconds: longest wait at the end of the run
    """

    def __init__(
        self,
        uri: str,
        artifact_location: str,
        experiment_name: str,
        flush_interval_seconds: float,
        system_metrics_interval_seconds: float,
        close_timeout_seconds: float,
    ) -> None:
        self._uri = uri
        self._artifact_location = None if uri.startswith("http") else artifact_location
        self._experiment_name = experiment_name
        self._flush_interval_seconds = flush_interval_seconds
        self._system_metrics_interval_seconds = system_metrics_interval_seconds
        self._close_timeout_seconds = close_timeout_seconds
        self._call_seconds = 0.0
        self.run_id: str | None = None

    def start(
        self,
        folder: Path,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        sweep_dir: Path | None = None,
    ) -> None:
        """Open the run; a store that does not answer is an error now, later it is not."""
        client = connect(self._uri)
        experiment = experiment_id(
            client, self._uri, self._experiment_name, self._artifact_location
        )
        id_path = folder / RUN_ID
        known = id_path.read_text(encoding="utf-8").strip() if id_path.exists() else None
        if sweep_dir is not None:
            parent = parent_run(client, experiment, sweep_dir, tags)
            tags = {**tags, PARENT: parent, "study": sweep_dir.name}
        self.run_id = open_run(client, experiment, known, name, tags)
        self._folder = folder
        self._journal = Journal(folder)
        if known is None:
            atomic_write_text(id_path, f"{self.run_id}\n")
            self._journal.append("params", values=dict(params))
        self._journal.append("tags", values=dict(tags))
        self._system = SystemMetrics(self.run_id, self._system_metrics_interval_seconds)
        self._started = time.monotonic()
        self._sender = Sender(
            client,
            self.run_id,
            folder,
            self._journal,
            self._flush_interval_seconds,
            self._log_system_metrics,
        )
        self._sender.start()

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Write to the journal."""
        start = time.perf_counter()
        now = int(1000 * time.time())
        self._journal.append("metrics", time=now, step=step, values=dict(values))
        self._call_seconds += time.perf_counter() - start

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Write to the journal."""
        start = time.perf_counter()
        relative = str(path.relative_to(self._folder))
        self._journal.append("artifact", path=relative, folder=folder)
        self._call_seconds += time.perf_counter() - start

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Write to the journal."""
        self._journal.append("tags", values=dict(tags))

    def close(self, end: str) -> None:
        """Send what is left; what cannot be sent in time stays in the run's folder."""
        self._journal.append("end", status=END_STATUS[end], time=int(1000 * time.time()))
        self._sender.finish(self._close_timeout_seconds)
        if not self._journal.is_sent():
            log.warning(
                "some records did not reach the tracking store yet; send them later with\n"
                "  python -m experiment.tracking %s",
                self._folder,
            )
        self._journal.close()

    def abandon(self) -> None:
        """Send nothing more, and leave the journal as it is."""
        self._sender.abandon(self._close_timeout_seconds)
        self._journal.close()

    def cost(self) -> dict[str, float]:
        """Tell the seconds spent."""
        return {"calls": self._call_seconds, "sender": self._sender.cpu_seconds}

    def _log_system_metrics(self) -> None:
        values = self._system.sample()
        if values:
            self.log_metrics(values, step=int(time.monotonic() - self._started))
