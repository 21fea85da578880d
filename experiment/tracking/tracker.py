"""What a run tells its tracker."""

import logging
import math
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from experiment.run_folder.shown import command, shown
from experiment.tracking.dead_runs import close_dead_runs
from experiment.tracking.delivery import Delivery, Target
from experiment.tracking.journal import Journal, Record
from experiment.tracking.pages import curves_of, server_of
from experiment.tracking.sender import Sender
from experiment.tracking.store import PROCESS, SWEEPER
from experiment.tracking.system_metrics import SystemMetrics
from interface.errors import UserError
from interface.passwords import refuse_password
from util.process_identity import identity

log = logging.getLogger(__name__)

_TIMES = "time/"
END_STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class Tracker(Protocol):
    """A sink for one run."""

    @property
    def run_id(self) -> str | None:
        """The store's id of the run; None if there is none, or none yet."""

    @property
    def page(self) -> str | None:
        """The address of the run's curves; None if there is none, or none yet."""

    def start(
        self,
        folder: Path,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        step: int,
        sweep_dir: Path | None = None,
    ) -> None:
        """
        Open the run, or reopen the one whose journal lies in the folder.

        :param folder: of the run
        :param name: of a new run
        :param params: written once, when the run is new
        :param tags: written at each start
        :param step: environment steps made before
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

    @property
    def run_id(self) -> str | None:
        """There is none."""
        return None

    @property
    def page(self) -> str | None:
        """There is none."""
        return None

    def start(
        self,
        folder: Path,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        step: int,
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
    :param open_timeout_seconds: longest wait for the store at the start of the run
    :param close_timeout_seconds: longest wait at the end of the run
    """

    def __init__(
        self,
        uri: str,
        artifact_location: str,
        experiment_name: str,
        flush_interval_seconds: float,
        system_metrics_interval_seconds: float,
        open_timeout_seconds: float,
        close_timeout_seconds: float,
    ) -> None:
        refuse_password("tracking.uri", uri)  # before a journal holds it
        self._uri = uri
        self._artifact_location = None if uri.startswith("http") else artifact_location
        self._experiment_name = experiment_name
        self._flush_interval_seconds = flush_interval_seconds
        self._system_metrics_interval_seconds = system_metrics_interval_seconds
        self._open_timeout_seconds = open_timeout_seconds
        self._close_timeout_seconds = close_timeout_seconds
        self._call_seconds = 0.0

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run; None as long as the store is away."""
        return self._delivery.run_id

    @property
    def page(self) -> str | None:
        """The address of the run's curves; None as long as the store is away."""
        server, experiment = server_of(self._uri), self._delivery.experiment
        if server is None or experiment is None or self.run_id is None:
            return None
        return curves_of(server, experiment, self.run_id)

    def start(
        self,
        folder: Path,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        step: int,
        sweep_dir: Path | None = None,
    ) -> None:
        """Open the run; as long as the store is away, the records wait in the journal."""
        self._folder = folder
        self._journal = Journal(folder)
        starts = [record for record in self._journal.records() if record["kind"] == "start"]
        target = self._target(starts[0] if starts else None, name, tags, sweep_dir)
        self._delivery = Delivery(folder, self._journal, target)
        is_new = not starts and self._delivery.run_id is None
        before = self._journal.size()
        target.write(self._journal)
        if is_new:
            self._journal.append("params", values=dict(params))
        self._journal.append("tags", values=dict(tags))
        self._held = self._journal.metrics_from(step)
        self._system = SystemMetrics(self._system_metrics_interval_seconds)
        self._started = time.monotonic() - self._journal.seconds_of_machine()
        self._sender = Sender(
            self._delivery,
            self._flush_interval_seconds,
            self._log_system_metrics,
            lambda: close_dead_runs(self._delivery.client),
        )
        try:
            self._sender.start_within(self._open_timeout_seconds)
        except UserError:
            self._journal.cut(before)
            self._journal.close()
            raise

    def _target(
        self,
        first: Record | None,
        name: str,
        tags: Mapping[str, str],
        sweep_dir: Path | None,
    ) -> Target:
        """Tell where the records belong; what names the run stays as it was at its first start."""
        search = {key: tags[key] for key in ("env", "algorithm") if key in tags}
        if SWEEPER in os.environ:
            search[PROCESS] = os.environ[SWEEPER]
        return Target(
            uri=self._uri,
            experiment=self._experiment_name,
            artifact_location=self._artifact_location,
            name=first["name"] if first else name,
            journal=first["journal"] if first else uuid.uuid4().hex,
            time=first["time"] if first else int(1000 * time.time()),
            sweep_dir=None if sweep_dir is None else str(sweep_dir),
            search=search,
            process=identity(),
        )

    def log_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Write to the journal what it does not hold from before a kill."""
        start = time.perf_counter()
        now = int(1000 * time.time())
        new = {key: value for key, value in values.items() if not self._is_held(key, step, value)}
        if new:
            self._journal.append("metrics", time=now, step=step, values=new)
        self._call_seconds += time.perf_counter() - start

    def _is_held(self, key: str, step: int, value: float) -> bool:
        """Tell whether a point was logged before: times are another's, all else must be equal."""
        earlier = self._held.get((key, step))
        if not earlier:
            return False
        before = earlier.pop(0)  # points are made again in their order
        if key.startswith(_TIMES) or before == value or (math.isnan(before) and math.isnan(value)):
            return True
        log.warning(
            "%s at step %d was %g before the run was stopped and is %g now; the store keeps both",
            key,
            step,
            before,
            value,
        )
        return False

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
                "some records did not reach the tracking store yet; send them later with\n  %s",
                command("runs", f"run={shown(self._folder)}", "send=true"),
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
