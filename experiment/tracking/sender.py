"""Send a journal's records to MLflow, and never give up while the run lasts."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiment.tracking.journal import Journal, Record

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

# MLflow takes at most 1000 metrics, 100 params and 100 tags in a batch.
_MOST_RECORDS = 50
_MOST_METRICS = 1000
_MOST_PARAMS = 100
_LONGEST_PAUSE_SECONDS = 30.0


def send_all(client: "MlflowClient", run_id: str, folder: Path, records: Iterable[Record]) -> None:
    """
    Send records in their order; sending one twice changes nothing.

    :param client: of the store
    :param run_id: of the run
    :param folder: of the run; artifacts are named relative to it
    :param records: from the journal
    """
    metrics: list[Any] = []
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    for record in records:
        kind = record["kind"]
        if kind == "metrics":
            metrics += _metrics(record)
        elif kind == "params":
            params |= record["values"]
        elif kind == "tags":
            tags |= record["values"]
        elif kind == "artifact":
            path = folder / record["path"]
            if path.exists():
                client.log_artifact(run_id, str(path), record["folder"])
        elif kind == "end":
            _send_batches(client, run_id, metrics, params, tags)
            metrics, params, tags = [], {}, {}
            client.set_terminated(run_id, record["status"], record["time"])
    _send_batches(client, run_id, metrics, params, tags)


def _metrics(record: Record) -> list[Any]:
    from mlflow.entities import Metric

    return [
        Metric(key, value, record["time"], record["step"])
        for key, value in record["values"].items()
    ]


def _send_batches(
    client: "MlflowClient",
    run_id: str,
    metrics: list[Any],
    params: dict[str, str],
    tags: dict[str, str],
) -> None:
    from mlflow.entities import Param, RunTag

    param_list = [Param(key, value) for key, value in params.items()]
    tag_list = [RunTag(key, value) for key, value in tags.items()]
    while metrics or param_list or tag_list:
        client.log_batch(
            run_id,
            metrics=metrics[:_MOST_METRICS],
            params=param_list[:_MOST_PARAMS],
            tags=tag_list[:_MOST_PARAMS],
        )
        metrics = metrics[_MOST_METRICS:]
        param_list = param_list[_MOST_PARAMS:]
        tag_list = tag_list[_MOST_PARAMS:]


class Sender(threading.Thread):
    """
    The thread that empties a journal.

    :param client: of the store
    :param run_id: of the run
    :param folder: of the run
    :param journal: to empty
    :param interval_seconds: pause between two batches
    :param every_interval: called before each batch, e.g. to sample the machine's load
    """

    def __init__(
        self,
        client: "MlflowClient",
        run_id: str,
        folder: Path,
        journal: Journal,
        interval_seconds: float,
        every_interval: Callable[[], None],
    ) -> None:
        super().__init__(name="tracking", daemon=True)
        self._client = client
        self._run_id = run_id
        self._folder = folder
        self._journal = journal
        self._interval_seconds = interval_seconds
        self._every_interval = every_interval
        self._finishing = threading.Event()
        self._abandoned = False
        self.cpu_seconds = 0.0
        """Time that this thread has computed."""

    def run(self) -> None:
        """Send until told to finish and nothing is left."""
        pause = self._interval_seconds
        behind = False
        while True:
            finishing = self._finishing.wait(pause)
            if self._abandoned:
                return
            if not finishing:  # the journal may be closed
                self._every_interval()
            try:
                done = self._send_some()
            except Exception as error:  # noqa: BLE001 (any failure of the store; told once, retried)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                if not behind:
                    log.warning("tracking is behind, training goes on: %s", _first_line(error))
                behind = True
            else:
                pause = self._interval_seconds if done else 0.0
                if behind:
                    log.info("tracking has caught up again")
                behind = False
                if done and finishing:
                    return
            finally:
                self.cpu_seconds = time.thread_time()

    def _send_some(self) -> bool:
        """Send one batch; tell whether nothing is left."""
        records, offset = self._journal.unsent(_MOST_RECORDS)
        if records:
            send_all(self._client, self._run_id, self._folder, records)
            self._journal.mark_sent(offset)
        return len(records) < _MOST_RECORDS

    def finish(self, timeout_seconds: float) -> None:
        """
        Send what is left and end.

        :param timeout_seconds: longest wait
        """
        self._finishing.set()
        self.join(timeout_seconds)

    def abandon(self, timeout_seconds: float) -> None:
        """
        End with what is being sent, and send nothing more.

        :param timeout_seconds: longest wait
        """
        self._abandoned = True
        self.finish(timeout_seconds)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
