"""Reach an MLflow store: check that it answers, find or make the experiment, make the run."""

import contextlib
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from interface.errors import UserError
from interface.passwords import refuse_password
from interface.run_files import RUN_ID
from util.atomic_write import atomic_write_text

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ANSWER_SECONDS = 5.0

PARENT = "mlflow.parentRunId"


def connect(uri: str) -> "MlflowClient":
    """
    Connect to a store, and make a fresh database ready.

    :param uri: of an MLflow server or database
    :raises UserError: if it does not answer
    """
    refuse_password("tracking.uri", uri)
    # A server that hangs must not hang the end of a run: MLflow's own default is minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    if uri.startswith("http"):
        _check_server(uri)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    # our sender tells of failures, once
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        with _alone(uri):
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"cannot use tracking.uri={uri}: {reason}") from error
    return client


def connect_existing(uri: str) -> "MlflowClient":
    """
    Connect to a store to read it: a mistyped path must not become an empty database.

    :param uri: of an MLflow server or database
    :raises UserError: if it is not there or does not answer
    """
    path = uri.removeprefix("sqlite:///")
    if path != uri and not Path(path).is_file():
        raise UserError(f"there is no MLflow database {path}")
    return connect(uri)


def _check_server(uri: str) -> None:
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_ANSWER_SECONDS):
            return
    except urllib.error.HTTPError:
        return  # it answers; what it answers is for MLflow to judge
    except (OSError, ValueError) as error:
        raise UserError(
            f"tracking.uri={uri} does not answer within {_ANSWER_SECONDS:.0f} s: {error}"
        ) from error


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Let one process at a time make a fresh SQLite store: its schema is made in several steps."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    path = Path(uri.removeprefix("sqlite:///"))
    if not path.parent.is_dir():
        raise UserError(f"tracking.uri={uri}: there is no folder {path.parent}")
    with FileLock(f"{path}.lock"):
        yield


def experiment_id(
    client: "MlflowClient", uri: str, name: str, artifact_location: str | None
) -> str:
    """
    Find or make an experiment.

    :param client: from ``connect``
    :param uri: of the store
    :param name: of the experiment
    :param artifact_location: where a new experiment's artifacts go; None: the server's choice
    """
    from mlflow.exceptions import MlflowException

    with _alone(uri):
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            try:
                return client.create_experiment(name, artifact_location)
            except MlflowException:  # another process on a server was faster
                experiment = client.get_experiment_by_name(name)
                if experiment is None:
                    raise
    if experiment.lifecycle_stage == "deleted":
        raise UserError(
            f"the MLflow experiment {name} was deleted; choose another tracking.experiment_name, "
            f"or `mlflow experiments restore --experiment-id {experiment.experiment_id}`"
        )
    return str(experiment.experiment_id)


def open_run(
    client: "MlflowClient", experiment: str, run_id: str | None, name: str, tags: Mapping[str, str]
) -> str:
    """
    Make a run, or reopen one.

    :param client: from ``connect``
    :param experiment: its id
    :param run_id: of the run to continue; None for a new one
    :param name: of a new run
    :param tags: of a new run
    :return: the run's id
    :raises UserError: if the run to continue is not in the store
    """
    if run_id is None:
        return str(client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id)
    from mlflow.exceptions import MlflowException

    try:
        client.update_run(run_id, status="RUNNING")
    except MlflowException as error:
        raise UserError(f"the MLflow run {run_id} cannot be continued: {error.message}") from error
    return run_id


def parent_run(
    client: "MlflowClient", experiment: str, sweep_dir: Path, tags: Mapping[str, str]
) -> str:
    """
    Find the run of a search; its first trial opens it.

    :param client: of the store
    :param experiment: id
    :param sweep_dir: folder of the search
    :param tags: of the trial, of which the search takes environment and algorithm
    :return: its id
    """
    path = sweep_dir / RUN_ID
    with FileLock(sweep_dir / ".mlflow.lock"):
        if path.exists():
            return path.read_text(encoding="utf-8").strip()
        own = {key: tags[key] for key in ("env", "algorithm") if key in tags}
        run_id = open_run(
            client, experiment, None, sweep_dir.name, {**own, "study": sweep_dir.name}
        )
        atomic_write_text(path, f"{run_id}\n")
        return run_id
