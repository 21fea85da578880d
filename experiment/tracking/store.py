"""Reach an MLflow store: check that it answers, find or make the experiment, make the run."""

import contextlib
import logging
import os
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from filelock import FileLock, Timeout

from experiment.tracking.address import check_address
from interface.errors import UserError
from interface.passwords import refuse_password
from interface.run_files import RUN_ID, run_id_of
from util.atomic_write import atomic_path, atomic_write_text
from util.process_identity import is_dead

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0
_SCHEMA_SECONDS = 60.0
_SQLITE = "sqlite:///"
_ELSEWHERE = ("http", "databricks")
# So a database or a server says that it will never do; anything else may pass.
_WRONG = (
    "unable to open",
    "readonly database",
    "Permission denied",
    "not a database",
    "does not exist",
    "Unknown database",
    "authentication failed",
    "no password supplied",
    "Access denied",
    "Login failed",
    "PERMISSION_DENIED",
    *(f"failed with error code {code} " for code in (401, 403, 404, 405, 501)),
    "not in a valid JSON format",
)

PARENT = "mlflow.parentRunId"
PROCESS = "process"
"""Tag that names the process that a run ends with."""

RUNNING = "RUNNING"
SWEEPER = "SUBGOAL_SWEEPER"
"""Variable that names the process of a search, for the workers of its trials."""


class StoreAwayError(UserError):
    """The store does not answer now; it may later."""


def connect(uri: str) -> "MlflowClient":
    """
    Connect to a store, and make a fresh database ready.

    :param uri: of an MLflow server or database
    :raises StoreAwayError: if it does not answer now
    :raises UserError: if it never will
    """
    refuse_password("tracking.uri", uri)
    check_address(uri)
    # A server that hangs must not hang the end of a run: MLflow's own default is minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    if uri.startswith("http"):
        _check_server(uri)
    if uri.startswith(_SQLITE):
        # A connection that is kept would go on writing into a file that was deleted.
        os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    # our sender tells of failures, once
    for name in ("mlflow.store.db.utils", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        if uri.startswith(_SQLITE):
            _make_schema(uri)
        elif not uri.startswith(_ELSEWHERE):
            _ask_database(uri)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        kind = UserError if any(words in str(error) for words in _WRONG) else StoreAwayError
        raise kind(f"cannot use tracking.uri={uri}: {reason}") from error
    return client


def check_exists(uri: str) -> None:
    """
    Refuse a database that is not there; a server is asked by ``connect``.

    :param uri: of an MLflow server or database
    :raises UserError: naming the file
    """
    path = uri.removeprefix(_SQLITE)
    if path != uri and not Path(path).is_file():
        raise UserError(f"there is no MLflow database {path}")


def connect_existing(uri: str) -> "MlflowClient":
    """
    Connect to a store to read it: a mistyped path must not become an empty database.

    :param uri: of an MLflow server or database
    :raises UserError: if it is not there or does not answer
    """
    check_exists(uri)
    return connect(uri)


def _check_server(uri: str) -> None:
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_ANSWER_SECONDS):
            return
    except urllib.error.HTTPError:
        return  # it answers; what it answers is for MLflow to judge
    except OSError as error:
        raise StoreAwayError(
            f"tracking.uri={uri} does not answer within {_ANSWER_SECONDS:.0f} s: {error}"
        ) from error


def _ask_database(uri: str) -> None:
    """Ask once: MLflow tries for minutes, with a wrong login, too."""
    from sqlalchemy import NullPool, create_engine

    with create_engine(uri, poolclass=NullPool).connect():
        pass


def _make_schema(uri: str) -> None:
    """
    Make a fresh SQLite store, one process at a time.

    Its schema is made in many steps, so it is made beside, and takes its place when it is whole.
    """
    path = Path(uri.removeprefix(_SQLITE))
    if not path.parent.is_dir():
        raise UserError(f"tracking.uri={uri}: there is no folder {path.parent}")
    if _has_schema(path):
        return
    try:
        with FileLock(f"{path}.lock", timeout=_SCHEMA_SECONDS):
            if _has_schema(path) or _completed(path):
                return
            with atomic_path(path) as made:
                _write_schema(made)
    except Timeout as error:
        raise StoreAwayError(f"tracking.uri={uri}: another process is making it") from error


def _completed(path: Path) -> bool:
    """
    Let MLflow complete a store that is there without an experiment, and so without a run.

    :return: whether it is whole now; with what a kill has left half MLflow can never go on
    """
    from sqlalchemy.exc import SQLAlchemyError

    if path.is_file():
        with contextlib.suppress(SQLAlchemyError):
            _write_schema(path)
    return _has_schema(path)  # it raises if others have locked it


def _write_schema(path: Path) -> None:
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(f"{_SQLITE}{path}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)  # type: ignore[no-untyped-call]


def _has_schema(path: Path) -> bool:
    """
    Tell whether MLflow has made its default experiment, which it does last.

    It is opened for writing, so that SQLite takes back what a writer that was killed had begun: it
    refuses to read such a file otherwise.
    """
    if not path.is_file():
        return False
    address = f"file:{quote(str(path))}?mode=rw"
    with contextlib.closing(
        sqlite3.connect(address, uri=True, timeout=_ANSWER_SECONDS)
    ) as database:
        try:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            if tables and "experiments" not in tables:
                raise UserError(
                    f"cannot use tracking.uri={_SQLITE}{path}: it is the database of another "
                    f"program; name another file"
                )
            return bool(tables) and _has_experiment(database)
        except sqlite3.OperationalError as error:
            raise StoreAwayError(f"cannot use tracking.uri={_SQLITE}{path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise UserError(f"cannot use tracking.uri={_SQLITE}{path}: {error}") from error


def _has_experiment(database: sqlite3.Connection) -> bool:
    return database.execute("SELECT 1 FROM experiments LIMIT 1").fetchone() is not None


def experiment_id(client: "MlflowClient", name: str, artifact_location: str | None) -> str:
    """
    Find or make an experiment.

    :param client: from ``connect``
    :param name: of the experiment
    :param artifact_location: where a new experiment's artifacts go; None: the server's choice
    :raises UserError: if it was deleted
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name, artifact_location)
        except MlflowException:  # another process was faster
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        raise UserError(
            f"the MLflow experiment {name} was deleted; choose another tracking.experiment_name, "
            f"or `mlflow experiments restore --experiment-id {experiment.experiment_id}`"
        )
    return str(experiment.experiment_id)


def make_run(
    client: "MlflowClient",
    experiment: str,
    name: str,
    tags: Mapping[str, str],
    start_time: int | None = None,
) -> str:
    """
    Make a run.

    :param client: from ``connect``
    :param experiment: its id
    :param name: of the run
    :param tags: of the run
    :param start_time: in milliseconds; None: now
    :return: its id
    """
    run = client.create_run(experiment, start_time, dict(tags), run_name=name)
    return str(run.info.run_id)


def run_in(client: "MlflowClient", run_id: str) -> "Run | None":
    """
    Find a run; None if the store does not have it, or has deleted it.

    :param client: from ``connect``
    :param run_id: of the run
    """
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return None if run.info.lifecycle_stage == "deleted" else run


def parent_run(
    client: "MlflowClient", experiment: str, sweep_dir: Path, tags: Mapping[str, str]
) -> str:
    """
    Find the run of a search; its first trial makes it.

    :param client: of the store
    :param experiment: id
    :param sweep_dir: folder of the search
    :param tags: of the search
    :return: its id
    """
    with FileLock(sweep_dir / ".mlflow.lock"):
        run_id = run_id_of(sweep_dir)
        known = None if run_id is None else run_in(client, run_id)
        if known is not None:
            _reopen(client, known, tags.get(PROCESS))
            return str(known.info.run_id)
        made = make_run(client, experiment, sweep_dir.name, {**tags, "study": sweep_dir.name})
        atomic_write_text(sweep_dir / RUN_ID, f"{made}\n")
        return made


def _reopen(client: "MlflowClient", run: "Run", sweeper: str | None) -> None:
    """Let a search go on that another process has begun; one that has ended stays as it is."""
    if sweeper is None or is_dead(sweeper) or run.data.tags.get(PROCESS) == sweeper:
        return
    client.set_tag(run.info.run_id, PROCESS, sweeper)
    client.update_run(run.info.run_id, status=RUNNING)
