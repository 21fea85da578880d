"""Let signals end a run in order, whatever it is doing."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from interface.result import INTERRUPTED_EXIT
from interface.run_files import CONFIG
from util.signals import handled_signals, on_signals


class Interrupts:
    """Remembers the first signal; ``received`` is its name, None as long as there was none."""

    def __init__(self) -> None:
        self.received: str | None = None

    def handle(self, name: str) -> None:
        """
        Take a signal: the first one is remembered, the second one ends the process at once.

        :param name: of the signal
        """
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = name


@contextmanager
def caught_interrupts() -> Iterator[Interrupts]:
    """Remember signals within the block, and handle them as before after it."""
    interrupts = Interrupts()
    with handled_signals(interrupts.handle):
        yield interrupts


def end_at_once_on_signals() -> None:
    """Until a run begins there is nothing to save, only the folder to remove that Hydra made."""
    on_signals(_end_at_once)


def _end_at_once(name: str) -> None:
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.RUN:
        folder = Path(HydraConfig.get().runtime.output_dir)
        if not (folder / CONFIG).exists():
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{name}: ended before the run began", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(INTERRUPTED_EXIT)  # from within an import, an exception may be lost
