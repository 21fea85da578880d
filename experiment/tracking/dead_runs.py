"""Close the MLflow runs of processes that were killed: nothing else would ever end them."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from experiment.tracking.delivery import Delivery, Target, first_line
from experiment.tracking.journal import Journal
from experiment.tracking.store import PROCESS, RUNNING
from interface.run_files import run_id_of
from util.process_identity import identity, is_dead

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

_KILLED = "KILLED"


def close_dead_runs(client: "MlflowClient") -> int:
    """
    Send what dead runs of this host have left, and end them.

    :param client: of a store
    :return: how many were closed
    """
    n_closed = 0
    for run in [one for one in _running(client) if is_dead(one.data.tags[PROCESS])]:
        try:
            _close(client, run)
        except Exception as error:  # noqa: BLE001 (another run's folder may be broken in any way)
            log.warning("the dead run %s is not closed: %s", run.info.run_name, first_line(error))
        else:
            n_closed += 1
            log.info("the process of run %s is dead: it is closed in MLflow", run.info.run_name)
    return n_closed


def _running(client: "MlflowClient") -> Iterator["Run"]:
    """Find the running runs of this host's processes."""
    place = identity().rsplit(":", 2)[0]
    experiments = [found.experiment_id for found in client.search_experiments()]
    query = f"attributes.status = '{RUNNING}' AND tags.{PROCESS} LIKE '{place}:%'"
    token = None
    while True:
        page = client.search_runs(experiments, query, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _close(client: "MlflowClient", run: "Run") -> None:
    folder = Path(run.data.tags.get("run_dir", ""))
    if run_id_of(folder) == run.info.run_id:
        journal = Journal(folder)
        starts = [record for record in journal.records() if record["kind"] == "start"]
        if starts and is_dead(starts[-1]["process"]):
            _end(journal, run)
            Delivery(folder, journal, Target.of(starts[-1])).send_all()
        journal.close()
        return
    client.set_terminated(run.info.run_id, _KILLED, _last_sign(run))


def _end(journal: Journal, run: "Run") -> None:
    """End a journal that a kill has left open."""
    last = None
    for record in journal.records():
        last = record["kind"]
    if last != "end":
        journal.append("end", status=_KILLED, time=_last_sign(run))


def _last_sign(run: "Run") -> int:
    """Tell when a run last gave a sign of life, in milliseconds."""
    times = [metric.timestamp for metric in run.data._metric_objs]
    return int(max([run.info.start_time, *times]))
