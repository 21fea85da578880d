"""Read runs from MLflow."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from experiment.mirroring.memory import Contents
from interface.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PAGE = 1000
_PARENT = "mlflow.parentRunId"
RUNNING = "RUNNING"


def runs_of(client: "MlflowClient", run: str) -> list["Run"]:
    """
    List the runs to mirror, the oldest first; a trial comes with its parent.

    :param client: of the store
    :param run: ``all``, or a run's id
    :raises UserError: if there is none, or it was deleted
    """
    if run == "all":
        return list(_all_runs(client))
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_run(run)
    except MlflowException as error:
        raise UserError(f"run={run}: the MLflow store has no such run") from error
    if found.info.lifecycle_stage == "deleted":
        raise UserError(f"run={run} was deleted in MLflow")
    parent = found.data.tags.get(_PARENT)
    return [found] if parent is None else [client.get_run(parent), found]


def _all_runs(client: "MlflowClient") -> Iterator["Run"]:
    experiments = [found.experiment_id for found in client.search_experiments()]
    token = None
    while True:
        page = client.search_runs(
            experiments,
            max_results=_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        yield from page
        token = page.token
        if token is None:
            return


def state_of(run: "Run") -> str:
    """
    Hash what MLflow tells of a run at once; it changes whenever the run does.

    :param run: as found
    """
    last = [(m.key, m.step, m.timestamp, repr(m.value)) for m in run.data._metric_objs]
    told = [
        run.info.status,
        run.info.end_time,
        sorted(run.data.tags.items()),
        sorted(run.data.params.items()),
        sorted(last),
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def contents_of(
    client: "MlflowClient", run: "Run", folder: Path
) -> tuple[Contents, dict[str, Path]]:
    """
    Read everything of a run.

    :param client: of the store
    :param run: as found
    :param folder: for artifacts of a store that is not on this machine
    :return: the contents, and where each artifact lies
    """
    files = {path: _local(client, run, path, folder) for path in _artifacts(client, run, None)}
    tags = {**run.data.tags, "mlflow.status": run.info.status}
    contents = Contents(
        params=dict(run.data.params),
        tags=tags,
        points={
            key: [
                (point.step, point.timestamp, point.value)
                for point in client.get_metric_history(run.info.run_id, key)
            ]
            for key in run.data.metrics
        },
        artifacts={
            path: hashlib.sha256(file.read_bytes()).hexdigest() for path, file in files.items()
        },
    )
    return contents, files


def _artifacts(client: "MlflowClient", run: "Run", folder: str | None) -> Iterator[str]:
    for found in client.list_artifacts(run.info.run_id, folder):
        if found.is_dir:
            yield from _artifacts(client, run, found.path)
        else:
            yield found.path


def _local(client: "MlflowClient", run: "Run", path: str, folder: Path) -> Path:
    return Path(client.download_artifacts(run.info.run_id, path, str(folder)))
