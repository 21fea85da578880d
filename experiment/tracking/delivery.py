"""Bring a journal's records into a run of an MLflow store."""

import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiment.tracking.journal import Journal, Record
from experiment.tracking.legal import legal_metrics, legal_name, legal_params, legal_tags
from experiment.tracking.store import (
    PARENT,
    PROCESS,
    RUNNING,
    connect,
    experiment_id,
    make_run,
    parent_run,
    run_in,
)
from interface.errors import UserError
from interface.run_files import RUN_ID, run_id_of
from util.atomic_write import atomic_path, atomic_write_text
from util.file_systems import warn_of_network

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

_MOST_RECORDS = 50
# of MLflow, in one request
_MOST = {"metrics": 1000, "params": 100, "tags": 100}
_JOURNAL = "journal"
_INVALID = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")
_AWAY = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "PERMISSION_DENIED")
# Another error than these may pass; one that has come so often in a row will not.
_MOST_TRIES = 3
# a new version of such a file takes the place of the old one, which others may hold
_NEVER_WRITTEN_INTO = (".zip", ".patch", ".mp4", ".gif", ".csv", ".json", ".yaml")


@dataclass(frozen=True)
class Target:
    """
    Where a journal's records belong.

    :param uri: of the store
    :param experiment: its name
    :param artifact_location: where a new experiment's artifacts go; None: the server's choice
    :param name: of the run
    :param journal: names the journal, so that its run is found again
    :param time: when the run started, in milliseconds
    :param sweep_dir: folder of the search that the run belongs to
    :param search: tags of that search
    :param process: that wrote the journal, see ``util.process_identity``
    """

    uri: str
    experiment: str
    artifact_location: str | None
    name: str
    journal: str
    time: int
    sweep_dir: str | None
    search: dict[str, str]
    process: str

    @classmethod
    def of(cls, record: Record) -> "Target":
        """
        Read one.

        :param record: of the kind start
        """
        return cls(**{key: value for key, value in record.items() if key != "kind"})

    def write(self, journal: Journal) -> None:
        """
        Begin a start in a journal.

        :param journal: of the run
        """
        journal.append("start", **asdict(self))


class _RunGoneError(Exception):
    """The store that answers does not have the run."""


class Delivery:
    """
    A journal on its way into a store.

    The store may be away, or another one than before: then the run is made anew and gets all
    records from the journal's first on. Sending a record twice changes nothing. What the store
    refuses is set aside and told, and all that comes after it is sent.

    :param folder: of the run
    :param journal: of the run
    :param target: where to
    """

    def __init__(self, folder: Path, journal: Journal, target: Target) -> None:
        self._folder = folder
        self._journal = journal
        self._target = target
        self._client: MlflowClient | None = None
        self._experiment = ""
        self._run = ""
        self._n_failures = 0
        warn_of_network("tracking.uri", target.uri, "`mlflow server` and its address")

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run; None until the store has answered."""
        return run_id_of(self._folder)

    @property
    def experiment(self) -> str | None:
        """MLflow's id of the run's experiment; None until the store has answered to this start."""
        return self._experiment or None

    @property
    def client(self) -> "MlflowClient":
        """Of the store, once it is open."""
        assert self._client is not None
        return self._client

    def open(self) -> None:
        """
        Reach the store, and find or make the run.

        :raises UserError: if the store cannot be used; ``StoreAwayError``: if not now
        """
        target = self._target
        client = connect(target.uri)
        self._experiment = experiment_id(client, target.experiment, target.artifact_location)
        self._run = self._found(client) or self._made(client)
        if self._run != self.run_id:
            atomic_write_text(self._folder / RUN_ID, f"{self._run}\n")
        if target.sweep_dir is not None:
            parent = parent_run(client, self._experiment, Path(target.sweep_dir), target.search)
            client.set_tag(self._run, PARENT, parent)
        self._client = client

    def _found(self, client: "MlflowClient") -> str | None:
        """Find the run; an older copy of the store gets what it has not yet."""
        known = self.run_id or self._orphan(client)
        run = None if known is None else run_in(client, known)
        if run is None:
            return None
        if self._is_older(run):
            log.warning("%s has lost points of this run; it gets all again", self._target.uri)
            self._journal.rewind()
        return known

    def _made(self, client: "MlflowClient") -> str:
        """Make the run, which gets all records."""
        target = self._target
        if self.run_id is not None:
            log.warning("%s does not have this run; it gets all of it", target.uri)
        self._journal.rewind()
        tags = {PROCESS: target.process, _JOURNAL: target.journal, "run_dir": str(self._folder)}
        return make_run(client, self._experiment, target.name, tags, target.time)

    def _orphan(self, client: "MlflowClient") -> str | None:
        """Find the run of a process that was killed between making it and noting its id."""
        query = f"tags.{_JOURNAL} = '{self._target.journal}'"
        found = client.search_runs([self._experiment], query, max_results=1)
        return str(found[0].info.run_id) if found else None

    def _is_older(self, run: "Run") -> bool:
        """Tell whether a backup has taken the store's place: points that were sent are missing."""
        held = {metric.key: metric.step for metric in run.data._metric_objs}
        sent = self._journal.last_sent_metrics()
        return any(held.get(legal_name(key), step - 1) < step for key, step in sent.items())

    def send_some(self) -> bool:
        """
        Send one batch; tell whether nothing is left.

        :raises Exception: of many kinds, if the store is away; nothing is lost then
        """
        if self._client is None:
            self.open()
        records, offset = self._journal.unsent(_MOST_RECORDS)
        try:
            self._send(records)
        except Exception as error:
            self._client = None  # reach it anew: it may be another one now
            self._n_failures += 1
            if isinstance(error, _RunGoneError):
                return False
            raise
        self._n_failures = 0
        self._journal.mark_sent(offset)
        return len(records) < _MOST_RECORDS

    def send_all(self) -> None:
        """
        Send the journal to its end.

        :raises Exception: of many kinds, if the store is away
        """
        while True:
            try:
                if self.send_some():
                    return
            except UserError:
                raise  # the store is away, which nothing but time mends
            except Exception:
                if not 0 < self._n_failures <= _MOST_TRIES:
                    raise

    def _send(self, records: Iterable[Record]) -> None:
        """Send records in their order."""
        metrics: list[Any] = []
        for record in records:
            if record["kind"] == "metrics":
                points, tags = legal_metrics(record)
                metrics += points
                self._log("tags", legal_tags(tags))
                continue
            self._log("metrics", metrics)
            metrics = []
            self._send_other(record)
        self._log("metrics", metrics)

    def _send_other(self, record: Record) -> None:
        kind = record["kind"]
        if kind == "start":
            self.client.update_run(self._run, status=RUNNING)
            self._log("tags", legal_tags({PROCESS: record["process"]}))
        elif kind == "params":
            self._log("params", legal_params(record["values"]))
        elif kind == "tags":
            self._log("tags", legal_tags(record["values"]))
        elif kind == "artifact":
            self._send_artifact(record)
        elif kind == "end":
            self.client.set_terminated(self._run, record["status"], record["time"])

    def _send_artifact(self, record: Record) -> None:
        path = self._folder / record["path"]
        if not path.exists():
            return
        try:
            self.client.log_artifact(self._run, str(path), record["folder"])
            if path.suffix in _NEVER_WRITTEN_INTO:
                self._share(path, record["folder"])
        except Exception as error:
            if not self._is_refused(error):
                raise
            self._set_aside(record, f"artifact {record['path']}", error)

    def _share(self, path: Path, folder: str | None) -> None:
        """Let a file and its copy on the same disk be one: agents and films are most of a run."""
        uri = str(self.client.get_run(self._run).info.artifact_uri)
        copy = Path(uri.removeprefix("file://")) / (folder or "") / path.name
        if copy.is_file():
            with suppress(OSError), atomic_path(copy) as temporary:
                os.link(path, temporary)

    def _log(self, kind: str, items: Sequence[Any]) -> None:
        """Send as much as MLflow takes at once; of what it refuses, all but the refused."""
        for start in range(0, len(items), _MOST[kind]):
            self._log_batch(kind, items[start : start + _MOST[kind]])

    def _log_batch(self, kind: str, items: Sequence[Any]) -> None:
        batch: dict[str, Any] = {kind: items}
        try:
            self.client.log_batch(self._run, **batch)
        except Exception as error:
            if not self._is_refused(error):
                raise
            if len(items) == 1:
                content = {"kind": kind, **dict(items[0])}
                self._set_aside(content, f"{kind[:-1]} {items[0].key}", error)
                return
            middle = len(items) // 2
            self._log_batch(kind, items[:middle])
            self._log_batch(kind, items[middle:])

    def _is_refused(self, error: Exception) -> bool:
        """
        Tell whether a store that answers will never take something.

        :raises _RunGoneError: if it is the run that is missing
        """
        code = getattr(error, "error_code", None)
        if code in _AWAY:
            return False
        if run_in(self.client, self._run) is None:
            raise _RunGoneError from error
        return code in _INVALID or self._n_failures >= _MOST_TRIES

    def _set_aside(self, content: Record, what: str, error: Exception) -> None:
        reason = first_line(error)
        if self._journal.set_aside(content, reason):
            kept = self._journal.rejected_path
            log.warning("MLflow refuses %s: %s; %s keeps it, all else is sent", what, reason, kept)


def first_line(error: Exception) -> str:
    """
    Say in one line what went wrong.

    :param error: of the store
    """
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
