"""
Delete runs: database rows, artifacts and folder together.

The folder goes last, and its config last of all: whatever stops a deletion, the run is still listed
and can be deleted again. What is in Comet stays there, and so do ``sources/``, which runs share.
"""

import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiment.run_folder.owner import owned
from experiment.run_folder.run_directory import load_config
from experiment.run_folder.shown import shown
from experiment.tracking.delivery import first_line
from experiment.tracking.store import connect_existing
from interface.errors import UserError
from interface.run_files import CONFIG, RUN_ID

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

_SQLITE = "sqlite:///"


class Stores:
    """
    The stores that know the runs to delete, all of them reached before anything is deleted.

    :param folders: of the runs
    :raises UserError: if one does not answer
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._clients: dict[str, MlflowClient] = {}
        for folder in folders:
            uri = _uri_of(folder)
            if uri is None or uri in self._clients:
                continue
            try:
                self._clients[uri] = connect_existing(uri)
            except UserError as error:
                raise UserError(f"nothing is deleted: {error}") from error

    def delete(self, folder: Path) -> Iterator[str]:
        """
        Delete what the store of a run has of it.

        :param folder: of the run
        :return: what the user should know
        """
        uri = _uri_of(folder)
        if uri is None:
            return
        from mlflow.exceptions import MlflowException

        client = self._clients[uri]
        run_id = (folder / RUN_ID).read_text(encoding="utf-8").strip()
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            yield f"{uri} does not have the run {run_id}"
            return
        if run.info.lifecycle_stage != "deleted":
            client.delete_run(run_id)
        _delete_artifacts(run.info.artifact_uri)
        store = client._tracking_client.store
        if hasattr(store, "_hard_delete_run"):  # what `mlflow gc` calls, which deletes more
            store._hard_delete_run(run_id)
        else:
            yield f"{uri} keeps the rows of {run_id} as deleted until its server runs `mlflow gc`"


def _uri_of(folder: Path) -> str | None:
    """Name the store of a run; None if the run was not tracked, or the database is gone."""
    uri = load_config(folder).tracking.get("uri")
    if uri is None or not (folder / RUN_ID).exists():
        return None
    is_gone = uri.startswith(_SQLITE) and not Path(uri.removeprefix(_SQLITE)).is_file()
    return None if is_gone else str(uri)


def _delete_artifacts(uri: str) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(uri).delete_artifacts()  # type: ignore[no-untyped-call]
    place = Path(uri.removeprefix("file://")).parent
    if place.is_dir() and not any(place.iterdir()):
        place.rmdir()  # that of the run, which MLflow leaves


def delete_run(folder: Path, stores: Stores) -> list[str]:
    """
    Delete a run.

    :param folder: of the run
    :param stores: reached
    :return: what the user should know
    :raises UserError: if it is running, or cannot be deleted: then it is still listed
    """
    with owned(folder):
        try:
            notes = list(stores.delete(folder))
            _delete_folder(folder)
        except Exception as error:  # of stores and disks, many kinds
            raise UserError(
                f"{shown(folder)} is deleted in part only, so it is still listed; delete it again: "
                f"{first_line(error)}"
            ) from error
    return notes


def _delete_folder(folder: Path) -> None:
    """Delete a folder so that a run that is not wholly deleted is still one."""
    last = [folder / RUN_ID, folder / CONFIG]
    for path in folder.iterdir():
        if path in last:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for path in last:
        path.unlink(missing_ok=True)
    folder.rmdir()
