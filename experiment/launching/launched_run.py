"""One run of a launch: starts, goes on where it was stopped, and ends when the launch does."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from experiment.run_folder.run_directory import SAID_DIRECTORY
from interface.resolvers import REPOSITORY
from interface.result import INTERRUPTED_EXIT
from interface.run_files import CONFIG
from util.atomic_write import atomic_write_text
from util.parent import ends_with_its_parent
from util.process_identity import identity, is_here, local_process

LAUNCH = "SUBGOAL_LAUNCH"
"""Variable that names the process of the launch, for the workers of its host."""

STOPS = "stops"
"""File in the folder of a launch that is ending: nothing begins any more."""

_RESULT, _LOG, _PROCESS = "result.json", "output.log", "process"
_TRAINS = "experiment/train.py"
_GRACE_SECONDS = 60.0
_LOOK_SECONDS = 0.5
_watching = threading.Event()


def result_of(folder: Path) -> dict[str, Any]:
    """
    Read how a run ended; empty if it has not.

    :param folder: of the run in the launch
    """
    path = folder / _RESULT
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def is_finished(result: dict[str, Any]) -> bool:
    """
    Tell whether a run ended by itself; one that a signal ended goes on.

    :param result: of the run
    """
    code = result.get("exit_code")
    return code is not None and code >= 0 and code != INTERRUPTED_EXIT


def run_in_folder(command: list[str], folder: Path) -> int:
    """
    Do a run, or what is left of it; what it says goes into its folder.

    :param command: as a user would type it
    :param folder: of the run in the launch
    :return: exit code of the command
    """
    before = result_of(folder)
    if is_finished(before):
        return int(before["exit_code"])
    if (folder.parent / STOPS).exists():
        return INTERRUPTED_EXIT
    _end_with_the_launch()
    begun = time.monotonic()
    words = what_is_left(command, folder)
    with (folder / _LOG).open("a") as log:
        process = subprocess.Popen(
            [sys.executable, *words[1:]],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the launch, which ends its runs in order
            preexec_fn=ends_with_its_parent(),
        )
    atomic_write_text(folder / _PROCESS, identity(process.pid))
    try:
        code = process.wait()
    except BaseException:
        end_runs([folder])
        raise
    seconds = round(before.get("seconds", 0.0) + time.monotonic() - begun, 1)
    result = {"command": command, "exit_code": code, "seconds": seconds}
    atomic_write_text(folder / _RESULT, json.dumps(result, indent=2))
    return code


def what_is_left(command: list[str], folder: Path) -> list[str]:
    """
    Go on with a training that has begun; anything else is begun anew.

    :param command: of the run
    :param folder: of the run in the launch
    """
    if command[1] != _TRAINS or not (folder / _LOG).exists():
        return command
    lines = (folder / _LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line.partition(SAID_DIRECTORY)[2] for line in lines if SAID_DIRECTORY in line]
    if not said or not (REPOSITORY / said[-1] / CONFIG).exists():
        return command
    return [*command[:2], f"restore={REPOSITORY / said[-1]}"]


def living(folders: Iterable[Path]) -> list[psutil.Process]:
    """
    Find the runs of this host that have not ended.

    :param folders: of runs
    """
    found = []
    for folder in folders:
        path = folder / _PROCESS
        process = local_process(path.read_text(encoding="utf-8")) if path.exists() else None
        found += [process] if process is not None else []
    return found


def end_runs(folders: Iterable[Path]) -> None:
    """
    End runs: they may save, then they must go.

    :param folders: of runs
    """
    processes = living(folders)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(processes, _GRACE_SECONDS)
    for process in left:
        process.kill()


def _end_with_the_launch() -> None:
    """Let a worker, and by that its run, end when the launch was killed."""
    name = os.environ.get(LAUNCH, "")
    if not name or not is_here(name) or name == identity() or _watching.is_set():
        return
    _watching.set()

    def watch() -> None:
        while local_process(name) is not None:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="watch the launch", daemon=True).start()
