"""Where studies live: a journal file, or any database that Optuna knows."""

import contextlib
import os
from pathlib import Path
from urllib.parse import urlsplit

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from interface.errors import UserError

_SQLITE_TIMEOUT_SECONDS = 60


def open_storage(storage: str) -> BaseStorage:
    """
    Open a storage.

    :param storage: path of a journal file, or a database's URL without a password
    :raises UserError: if it cannot be opened or written
    """
    if "://" not in storage:
        return _open_journal(Path(storage))
    if urlsplit(storage).password is not None:
        raise UserError(
            "hydra.sweeper.storage holds a password, which would end up in configs and logs; put "
            "it into PGPASSWORD or ~/.pgpass"
        )
    # a database that was away for a moment is asked again before a dead connection is used
    options: dict[str, object] = {"pool_pre_ping": True}
    if storage.startswith("sqlite"):
        options["connect_args"] = {"timeout": _SQLITE_TIMEOUT_SECONDS}
    try:
        with _quiet():
            return RDBStorage(storage, engine_kwargs=options)
    except Exception as error:
        first_line = str(error).strip().splitlines()[0]
        raise UserError(f"cannot open hydra.sweeper.storage={storage}: {first_line}") from error


def _open_journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError as error:
        raise UserError(f"cannot write the study's journal {path}: {error.strerror}") from error
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"cannot write into {path.parent}, where the study's journal lies")
    return JournalStorage(JournalFileBackend(str(path)))


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
