"""Whether a sweeper or a worker still lives."""

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from util.process_identity import identity, is_here, local_process

_SECONDS_BETWEEN_LOOKS = 2.0
_N_LOOKS_AT_THE_DEAD = 4
_watched: set[str] = set()


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
