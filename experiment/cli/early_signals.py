"""Signals that come before a run begins."""

import os
import shutil
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from interface.result import INTERRUPTED_EXIT
from interface.run_files import CONFIG
from util.signals import on_signals


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
