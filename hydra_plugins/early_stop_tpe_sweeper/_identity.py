"""Who a sweeper or a worker is, and whether it still lives."""

import contextlib
import functools
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

_SECONDS_TOLERATED = 0.02  # the clock ticks of a process's start
_SECONDS_BETWEEN_LOOKS = 2.0
_N_LOOKS_AT_THE_DEAD = 4
_watched: set[str] = set()


def identity() -> str:
    """Name this process so that no other process, now or later, has the same name."""
    process = psutil.Process()
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


@dataclass
class _Silence:
    beat: int
    looked: float
    seconds: float = 0.0


class Liveness:
    """
    Tells living sweepers from dead ones.

    One of this host is looked up. One of another host counts as dead when its heartbeat has not
    changed for long, measured by our own clock, so the clocks of hosts may differ. A long gap
    between two looks counts as a short one: the storage was away then, for the others, too.

    :param timeout_seconds: how long is long
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._seen: dict[str, _Silence] = {}

    def lives(self, sweeper: str, beats: Mapping[str, int]) -> bool:
        """
        Tell whether a sweeper lives.

        :param sweeper: from ``identity``
        :param beats: heartbeats so far, by sweeper
        """
        if is_here(sweeper):
            return local_process(sweeper) is not None
        return not self.is_silent(sweeper, beats.get(sweeper, 0))

    def is_silent(self, name: str, beat: int) -> bool:
        """
        Tell whether something has not changed for long.

        :param name: of what is watched
        :param beat: changes while it lives
        """
        now = time.monotonic()
        seen = self._seen.setdefault(name, _Silence(beat, now))
        if seen.beat != beat:
            seen = self._seen[name] = _Silence(beat, now)
        seen.seconds += min(now - seen.looked, self._timeout_seconds / _N_LOOKS_AT_THE_DEAD)
        seen.looked = now
        return seen.seconds >= self._timeout_seconds


def end_with(name: str) -> None:
    """
    End this process when another one of this host has ended: a worker whose sweeper was killed.

    Nobody would hear of its run, which goes on from its checkpoint when the sweep goes on.

    :param name: from ``identity``
    """
    if not is_here(name) or name == identity() or name in _watched:
        return
    _watched.add(name)

    def watch() -> None:
        while local_process(name) is not None:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, name="watch the sweeper", daemon=True).start()


def end_worker(name: str) -> None:
    """
    Kill a worker of this host that outlived its sweeper, so that its run can be continued.

    :param name: from ``identity``
    """
    process = local_process(name)
    if process is not None and process.pid != os.getpid():
        process.kill()
        process.wait(timeout=10)
