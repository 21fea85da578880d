"""Processes that lead a group of their own, and how all of it ends."""

import os
import signal
import subprocess
from contextlib import suppress


def signal_group(process: "subprocess.Popen[bytes]", number: int) -> None:
    """
    Send a signal to all of a group.

    :param process: that leads it; it may have ended, and others of its group not
    :param number: of the signal
    """
    with suppress(ProcessLookupError):  # nothing is left
        os.killpg(process.pid, number)


def end_group(process: "subprocess.Popen[bytes]", grace_seconds: float) -> None:
    """
    Tell a group to end, and kill what has not, or what its leader has left behind.

    :param process: that leads it
    :param grace_seconds: between SIGTERM and SIGKILL
    """
    if process.poll() is None:
        signal_group(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    signal_group(process, signal.SIGKILL)
    process.wait()
