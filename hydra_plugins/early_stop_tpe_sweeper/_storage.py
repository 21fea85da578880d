"""Where studies live: a journal file, or any database that Optuna knows."""

import contextlib
import functools
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    OperationalError,
    PendingRollbackError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.pool import NullPool

from hydra_plugins.early_stop_tpe_sweeper._journal import MendedJournal
from interface.errors import UserError
from interface.passwords import refuse_password
from util.file_systems import warn_of_network

T = TypeVar("T")

log = logging.getLogger(__name__)

_SQLITE_TIMEOUT_SECONDS = 60
# A network that swallows packets tells neither side: after 30 s the client gives the connection up
# and asks again, and the server frees the rows that a client which is gone had locked.
_POSTGRESQL = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
    "options": "-c idle_in_transaction_session_timeout=30s -c tcp_user_timeout=30s",
}
# what waiting does not mend
_REFUSED = re.compile(r"authentication failed|no password supplied|does not exist|no pg_hba.conf")
_MADE_BY_ANOTHER = re.compile(r"already exists|duplicate key|UNIQUE constraint")
_N_LOOKS_AT_FRESH_TABLES = 5
_LONGEST_PAUSE_SECONDS = 5.0


def open_storage(
    storage: str, patience_seconds: float = 0.0, *, was_there: bool = False
) -> BaseStorage:
    """
    Open a storage.

    :param storage: path of a journal file, or a database's URL without a password
    :param patience_seconds: how long each call waits for a database that does not answer
    :param was_there: whether it answered others before, so that opening it may wait, too, and
        whether so many share it that nobody may keep a connection
    :raises UserError: if it cannot be opened or written
    """
    if "://" not in storage:
        return _open_journal(Path(storage))
    refuse_password("hydra.sweeper.storage", storage)
    if not was_there:
        warn_of_network("hydra.sweeper.storage", storage, "a journal file, or PostgreSQL's address")
    # a database that was away for a moment is asked again before a dead connection is used
    options: dict[str, Any] = {"poolclass": NullPool} if was_there else {"pool_pre_ping": True}
    if storage.startswith("sqlite"):
        options["connect_args"] = {"timeout": _SQLITE_TIMEOUT_SECONDS}
    elif storage.startswith("postgresql"):
        options["connect_args"] = _POSTGRESQL
    try:
        with _quiet():
            return patiently(
                lambda: _open_database(storage, options, patience_seconds),
                patience_seconds if was_there else 0.0,
            )
    except Exception as error:
        reason = reason_of(error).replace("$STORAGE_URL", storage)
        raise UserError(f"cannot open hydra.sweeper.storage={storage}: {reason}") from error


@functools.lru_cache(maxsize=1)
def shared_storage(storage: str, patience_seconds: float) -> BaseStorage:
    """
    Open the storage of a sweep once in each process of a worker, which reads what is new only.

    :param storage: see ``open_storage``
    :param patience_seconds: see ``open_storage``
    """
    opened = open_storage(storage, patience_seconds, was_there=True)
    return optuna.storages.get_storage(opened)


def _open_database(url: str, options: dict[str, Any], patience_seconds: float) -> RDBStorage:
    """Open a database; of those that make the tables of a fresh one at once, one succeeds."""
    for _ in range(_N_LOOKS_AT_FRESH_TABLES):
        try:
            return PatientStorage(url, options, patience_seconds)
        except (IntegrityError, ProgrammingError, OperationalError) as error:
            if not _MADE_BY_ANOTHER.search(str(error)):
                raise
        time.sleep(random.uniform(0.2, 1.0))
    return PatientStorage(url, options, patience_seconds)


class PatientStorage(RDBStorage):
    """
    A database whose every call waits while it does not answer; each call is one transaction.

    :param url: of the database
    :param options: of SQLAlchemy's engine
    :param patience_seconds: how long to wait
    """

    def __init__(self, url: str, options: dict[str, Any], patience_seconds: float) -> None:
        self.patience_seconds = 0.0
        super().__init__(url, options)
        self.patience_seconds = patience_seconds


def _patient(call: Callable[..., T]) -> Callable[..., T]:
    @functools.wraps(call)
    def waiting(self: PatientStorage, *arguments: Any, **named: Any) -> T:
        return patiently(lambda: call(self, *arguments, **named), self.patience_seconds)

    return waiting


# the calls of Optuna's cache in front of a database are among them
for _name in (
    *BaseStorage.__abstractmethods__,
    *("_create_new_trial", "_set_trial_param", "_get_trials", "_get_best_trial_id"),
):
    setattr(PatientStorage, _name, _patient(getattr(RDBStorage, _name)))


def patiently(call: Callable[[], T], patience_seconds: float) -> T:
    """
    Call, again and again while a database does not answer.

    :param call: may be repeated
    :param patience_seconds: how long to go on; 0: not at all
    :raises UserError: if it did not answer for so long
    """
    started = time.monotonic()
    pause = 0.0
    while True:
        try:
            result = call()
        except (StorageInternalError, SQLAlchemyError) as error:
            if patience_seconds == 0.0 or not _is_away(error):
                raise
            if time.monotonic() - started >= patience_seconds:
                raise UserError(
                    f"the study's database did not answer for {patience_seconds:.0f} s "
                    f"(hydra.sweeper.storage_patience_seconds): {reason_of(error)}; the same "
                    f"command with the same hydra.sweeper.study_name goes on"
                ) from error
            if pause == 0.0:
                log.warning("the study's database is away, waiting: %s", reason_of(error))
            pause = min(_LONGEST_PAUSE_SECONDS, max(0.1, 2 * pause))
            time.sleep(pause * random.uniform(0.5, 1.0))
        else:
            if pause > 0.0:
                waited = time.monotonic() - started
                log.info("the study's database answers again after %.1f s", waited)
            return result


def _is_away(error: Exception) -> bool:
    """Tell whether a database may answer later: it restarts, the network is down, a deadlock."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, PendingRollbackError):  # Optuna asks once more on a lost connection
        return True
    if not isinstance(cause, DBAPIError) or _REFUSED.search(str(cause)):
        return False
    return isinstance(cause, OperationalError) or cause.connection_invalidated


def reason_of(error: BaseException) -> str:
    """
    Say in a line why a database failed.

    :param error: of Optuna, SQLAlchemy or a driver
    """
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, PendingRollbackError) and error.__context__ is not None:
        error = error.__context__  # what broke the transaction
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _open_journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError as error:
        raise UserError(f"cannot write the study's journal {path}: {error.strerror}") from error
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"cannot write into {path.parent}, where the study's journal lies")
    return JournalStorage(MendedJournal(str(path)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
