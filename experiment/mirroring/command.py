"""The story of a mirror: find runs, write what is new into archives, upload them."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from filelock import FileLock
from omegaconf import DictConfig

from experiment.mirroring.archive import write_archive
from experiment.mirroring.memory import load_memory, save_memory
from experiment.mirroring.source import RUNNING, contents_of, runs_of, state_of
from experiment.mirroring.uploads import find_key, upload
from experiment.tracking.store import check_exists, connect_existing
from interface.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_UNFINISHED = "unfinished-"


def mirror(cfg: DictConfig) -> None:
    """
    Mirror runs once, or until they have ended.

    :param cfg: of ``conf/comet_mirror.yaml``
    :raises UserError: if there is nothing to mirror, or no way to do it
    """
    check(cfg)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    key = find_key() if cfg.upload in ("auto", True) else None
    if cfg.upload is True and key is None:
        raise UserError("upload=true needs a key in ~/.comet.config or in COMET_API_KEY")
    check_exists(cfg.uri)
    folder = Path(cfg.archive_dir)
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        # One at a time; those of other trials wait here, before they load anything heavy.
        with FileLock(folder / "mirror.lock"):
            for left in folder.glob(f"{_UNFINISHED}*"):  # of a mirror that was killed
                shutil.rmtree(left)
            client = connect_existing(cfg.uri)
            runs = runs_of(client, cfg.run)
            if not runs:
                raise UserError(f"there is no run in {cfg.uri} yet")
            _mirror_runs(client, runs, cfg, key)
        running = any(run.info.status == RUNNING for run in runs)
        if cfg.interval_minutes == 0 or not running or not _exists(cfg.trainer):
            return
        time.sleep(60 * cfg.interval_minutes)


def _exists(process: int | None) -> bool:
    """Tell whether the trainer lives: the run of a killed one is running for ever in MLflow."""
    return process is None or psutil.pid_exists(process)


def check(cfg: DictConfig) -> None:
    """
    Check the config.

    :param cfg: of ``conf/comet_mirror.yaml``
    :raises UserError: naming the value got and what would be right
    """
    if cfg.upload not in ("auto", True, False):
        raise UserError(f"upload must be auto, true or false, got {cfg.upload}")
    if cfg.interval_minutes < 0:
        raise UserError(f"interval_minutes must be at least 0, got {cfg.interval_minutes}")
    if cfg.upload_timeout_minutes <= 0:
        raise UserError(
            f"upload_timeout_minutes must be more than 0, got {cfg.upload_timeout_minutes}"
        )


def _mirror_runs(
    client: "MlflowClient", runs: list["Run"], cfg: DictConfig, key: str | None
) -> None:
    folder = Path(cfg.archive_dir)
    n_new = 0
    for number, run in enumerate(runs, start=1):
        if mirror_run(client, run, folder, cfg.project):
            n_new += 1
            _say(f"{number}/{len(runs)} {run.info.run_name}: archived")
    _say(f"{len(runs)} runs in MLflow, {n_new} with news; archives are in {folder}")
    if key is None:
        _say(f"without a key nothing is uploaded; later: comet upload {folder}/archives/*.zip")
        return
    upload([run.info.run_id for run in runs], cfg, key)


def mirror_run(client: "MlflowClient", run: "Run", folder: Path, project: str) -> bool:
    """
    Write what is new in a run into an archive.

    :param client: of the store
    :param run: as found
    :param folder: for archives and memories
    :param project: of Comet
    :return: whether there was anything new
    """
    memory_path = folder / f"{run.info.run_id}.json"
    memory = load_memory(memory_path)
    state = state_of(run)
    if memory.state == state:
        return False
    archives = folder / "archives"
    archives.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=_UNFINISHED) as temporary:
        contents, files = contents_of(client, run, Path(temporary))
        news = memory.news(contents)
        if news:
            target = Path(temporary) / "archive"
            target.mkdir()
            archive = write_archive(run.info.run_id, news, files, project, target)
            # An archive that a killed mirror has written, but not remembered, is replaced here.
            archive.replace(archive_path(folder, run.info.run_id, memory.n_archives))
            memory.n_archives += 1
            memory.add(news)
    memory.state = state
    save_memory(memory, memory_path)
    return bool(news)


def archive_path(folder: Path, run_id: str, number: int) -> Path:
    """
    Name an archive.

    :param folder: for archives and memories
    :param run_id: of the run
    :param number: of the archive, from 0
    """
    return folder / "archives" / f"{run_id}-{number:04d}.zip"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
