"""
Delete runs: database rows, artifacts and folder together.

The folder goes last, and its config last of all: whatever stops a deletion, the run is still listed
and can be deleted again. What is in Comet stays there, and so do ``sources/``, which runs share.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiment.run_folder.owner import owned
from experiment.run_folder.run_directory import load_config
from experiment.run_folder.shown import shown
from experiment.run_list.listed_run import ListedRun
from experiment.tracking.delivery import first_line
from experiment.tracking.store import connect_existing
from interface.errors import UserError
from interface.run_files import CONFIG, RUN_ID, run_id_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


class Stores:
    """
    The stores that know the runs to delete, all of them reached before anything is deleted.

    :param runs: to delete
    :raises UserError: if a store is not there, or does not answer
    """

    def __init__(self, runs: Sequence[ListedRun]) -> None:
        self._clients: dict[str, MlflowClient] = {}
        for run in runs:
            uri = _uri_of(run.folder)
            if uri is None or uri in self._clients:
                continue
            try:
                self._clients[uri] = connect_existing(uri)
            except UserError as error:
                raise UserError(
                    f"nothing is deleted, for {shown(run.folder)} is tracked: {error}"
                ) from error

    def delete(self, run: ListedRun) -> Iterator[str]:
        """
        Delete what the store of a run has of it.

        :param run: to delete
        :return: what the user should know
        """
        uri = _uri_of(run.folder)
        if uri is None:
            return
        client, run_id = self._clients[uri], str(run_id_of(run.folder))
        found = _found(client, run_id)
        if found is None:
            yield f"{uri} does not have the run {run_id}"
            if run.artifacts is not None:
                shutil.rmtree(run.artifacts)
            return
        place = Path(found.data.tags.get("run_dir", run.folder))
        if place.resolve() != run.folder.resolve() and run_id_of(place) == run_id:
            yield f"{uri} keeps the run {run_id}, for {shown(place)} is the same run"
            return
        if found.info.lifecycle_stage != "deleted":
            client.delete_run(run_id)
        _delete_artifacts(found.info.artifact_uri)
        store = client._tracking_client.store
        if hasattr(store, "_hard_delete_run"):  # a part of `mlflow gc`, all of which deletes more
            store._hard_delete_run(run_id)
        else:
            yield f"{uri} keeps the rows of {run_id} as deleted until its server runs `mlflow gc`"


def _uri_of(folder: Path) -> str | None:
    """Name the store of a run; None if it was not tracked."""
    uri = load_config(folder).tracking.get("uri")
    return str(uri) if uri is not None and run_id_of(folder) is not None else None


def _found(client: "MlflowClient", run_id: str) -> "Run | None":
    """Find a run, also one that was marked as deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _delete_artifacts(uri: str) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(uri).delete_artifacts()  # type: ignore[no-untyped-call]
    place = Path(uri.removeprefix("file://")).parent
    if place.is_dir() and not any(place.iterdir()):
        place.rmdir()  # that of the run, which MLflow leaves


def delete_run(run: ListedRun, stores: Stores) -> list[str]:
    """
    Delete a run.

    :param run: to delete
    :param stores: reached
    :return: what the user should know
    :raises UserError: if it is running, or cannot be deleted: then it is still listed
    """
    with owned(run.folder):
        try:
            notes = list(stores.delete(run))
            _delete_folder(run.folder)
        except Exception as error:  # of stores and disks, many kinds
            raise UserError(
                f"{shown(run.folder)} may be deleted in part, so it is still listed; delete it "
                f"again: {first_line(error)}"
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
