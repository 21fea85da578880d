"""A run's folder belongs to one process, and to one run."""

import atexit
import errno
import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, read_write

from interface.errors import UserError
from util.process_identity import identity, local_process

OWNER = "owner"
"""Names the process that trains, or trained, in a run's folder."""


class FreshFolder(Callback):
    """Makes the folder of a run or a search anew, with a number behind its name if it is taken."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """
        Make the folder of a run, unless the user names one.

        :param config: of the run
        """
        if not any(text.startswith("hydra.run.dir=") for text in config.hydra.overrides.hydra):
            HydraConfig.instance().set_config(config)
            _claim(config.hydra.run)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """
        Make the folder of a search, unless it has a name: searches of one name share a folder.

        :param config: of the search
        """
        naming = ("hydra.sweep.dir=", "hydra.sweeper.study_name=", "hydra.sweeper.plan=")
        if not any(text.startswith(naming) for text in config.hydra.overrides.hydra):
            _claim(config.hydra.sweep)


def _claim(node: DictConfig) -> None:
    wanted = Path(node.dir)
    with suppress(OSError):  # Hydra will meet it, too, and is heard
        missing = [folder for folder in wanted.parents if not folder.exists()]
        wanted = _made(wanted)
        atexit.register(_remove_empty, [wanted, *missing])
        with read_write(node):
            node.dir = str(wanted)


def _remove_empty(folders: Sequence[Path]) -> None:
    """Leave nothing of what was refused: a folder that holds something stays."""
    with suppress(OSError):
        for folder in folders:
            if folder.exists():
                folder.rmdir()


def _made(wanted: Path) -> Path:
    folder, number = wanted, 1
    while True:
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")


@contextmanager
def owned(run_dir: Path, *, by_study: bool = False) -> Iterator[None]:
    """
    Own a run's folder within the block; a kill gives it up, too.

    :param run_dir: its folder
    :param by_study: whether a study says whose the run is: one who was silent for long may still
        hold the folder, and asks the study before he writes
    :raises UserError: if another process owns it
    """
    with (run_dir / OWNER).open("a+", encoding="utf-8") as file:
        with suppress(*([UserError] if by_study else [])):
            _lock(file, run_dir)
        file.truncate(0)
        file.write(f"{identity()}\n")
        file.flush()
        yield


def check_not_running(run_dir: Path) -> None:
    """
    Refuse a run in whose folder a process trains.

    :param run_dir: its folder
    :raises UserError: naming the process
    """
    if (run_dir / OWNER).exists():
        with (run_dir / OWNER).open("r+", encoding="utf-8") as file:
            _lock(file, run_dir)


def process_in(run_dir: Path) -> str | None:
    """
    Name the process that trains in a run's folder, or did, as ``util.process_identity`` does.

    :param run_dir: its folder
    :return: None if nobody has
    """
    path = run_dir / OWNER
    name = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    return name if name.count(":") >= 2 else None


def _lock(file: IO[str], run_dir: Path) -> None:
    file.seek(0)
    owner = file.read().strip()
    try:
        # forks do not inherit this lock, so an environment's process cannot keep it
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        is_held = error.errno in (errno.EACCES, errno.EAGAIN)
        # some file systems of clusters have no locks
        if is_held or (owner and local_process(owner) is not None):
            raise UserError(_is_running(run_dir, owner)) from None


def _is_running(run_dir: Path, owner: str) -> str:
    place, pid, _ = owner.rsplit(":", 2) if owner.count(":") >= 2 else ("this host", "?", "")
    return f"the run in {run_dir} is running: on {place.partition('/')[0]} with pid {pid}"
