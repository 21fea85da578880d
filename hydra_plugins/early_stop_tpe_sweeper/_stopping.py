"""How users stop a sweep: by deleting a file, or by a signal."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from hydra_plugins.early_stop_tpe_sweeper._sweep import Sweep
from util.signals import handled_signals

STOP_FILE = "delete_me_to_stop_hyperopt"


@contextlib.contextmanager
def stop_file(sweep_dir: Path) -> Iterator[Path]:
    """
    Lay down the file whose deletion stops the sweep, and clear it away in the end.

    Sweepers that share a folder share the file: each holds a lock on it, and the last one clears
    it away.

    :param sweep_dir: folder of the sweep
    """
    sweep_dir.mkdir(parents=True, exist_ok=True)
    path = sweep_dir / STOP_FILE
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        file.truncate(0)
        file.write("Delete this file and the sweep ends: running trials finish first.\n")
        file.flush()
        try:
            yield path
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def interrupts(sweep: Sweep) -> Iterator[None]:
    """
    Let the first SIGINT, SIGTERM or SIGHUP end the sweep in order, the second one at once.

    :param sweep: running
    """

    def handle(_: str) -> None:
        if sweep.interrupted:
            raise KeyboardInterrupt
        sweep.interrupted = True

    with handled_signals(handle):
        yield
