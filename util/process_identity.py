"""Name a process so that others can tell later whether it still lives."""

import contextlib
import functools
import socket
from pathlib import Path

import psutil

_SECONDS_TOLERATED = 0.02  # the clock ticks of a process's start


def identity(pid: int | None = None) -> str:
    """
    Name a process so that no other process, now or later, has the same name.

    :param pid: of a process of this host; None: this process
    """
    process = psutil.Process(pid)
    return f"{_here()}:{process.pid}:{process.create_time():.2f}"


@functools.cache
def _here() -> str:
    """Name the place whose processes we can see: containers and cloned machines share names."""
    marks = [socket.gethostname()]
    with contextlib.suppress(OSError):  # only Linux has these
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
        marks.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return "/".join(marks)


def is_here(name: str) -> bool:
    """
    Tell whether a process runs, or ran, on this host.

    :param name: from ``identity``
    """
    return name.rsplit(":", 2)[0] == _here()


def local_process(name: str) -> psutil.Process | None:
    """
    Find a process of this host if it still lives.

    :param name: from ``identity``
    """
    _, pid, created = name.rsplit(":", 2)
    try:
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - float(created)) <= _SECONDS_TOLERATED
        lives = same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if lives and is_here(name) else None


def is_dead(name: str) -> bool:
    """
    Tell whether a process has certainly ended; of other hosts nothing is certain.

    :param name: from ``identity``
    """
    return is_here(name) and local_process(name) is None
