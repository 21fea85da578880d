"""The slots of one host: a share of its cores, and of its GPUs if any, for each job."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Slot:
    """
    What one job may use.

    :param index: from 0
    :param cpus: its cores
    :param gpu: its GPU, None for none
    """

    index: int
    cpus: tuple[int, ...]
    gpu: int | None = None

    def environment(self) -> dict[str, str]:
        """List the environment variables that keep a process to this slot."""
        threads = dict.fromkeys(_THREAD_VARIABLES, str(len(self.cpus)))
        return threads | {"CUDA_VISIBLE_DEVICES": "" if self.gpu is None else str(self.gpu)}

    def pin(self, pid: int = 0) -> None:
        """
        Keep a process to the cores of this slot, where the system can.

        :param pid: of the process, 0 for this one
        """
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(pid, self.cpus)


class SlotPool:
    """
    Lends slots, the one whose GPU has most free memory first.

    :param slots: all there are
    :param free_memory_mb: that a GPU needs before a job starts on it
    :param free_memory: MB free on each GPU
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        free_memory_mb: int = 0,
        free_memory: Callable[[], dict[int, int]] | None = None,
    ) -> None:
        self._free = list(slots)
        self._needed_mb = free_memory_mb
        self._free_memory = free_memory or free_gpu_memory
        self._lock = threading.Lock()

    def take(self) -> Slot | None:
        """Lend a slot; None if none is free, or no GPU of the free ones has memory enough."""
        with self._lock:
            memory = self._free_memory() if any(s.gpu is not None for s in self._free) else {}
            fitting = [s for s in self._free if s.gpu is None or self._has_memory(s.gpu, memory)]
            if not fitting:
                return None
            slot = max(fitting, key=lambda s: (memory.get(s.gpu or 0, 0), -s.index))
            self._free.remove(slot)
            return slot

    def give_back(self, slot: Slot) -> None:
        """
        Take a slot back.

        :param slot: that was lent
        """
        with self._lock:
            self._free.append(slot)

    @contextmanager
    def lent(self, poll_seconds: float = 1.0) -> Iterator[Slot]:
        """
        Wait for a slot, and take it back at the end.

        :param poll_seconds: between two looks
        """
        while (slot := self.take()) is None:
            time.sleep(poll_seconds)
        try:
            yield slot
        finally:
            self.give_back(slot)

    def _has_memory(self, gpu: int, memory: dict[int, int]) -> bool:
        return memory.get(gpu, 0) >= self._needed_mb


def divide(cpus: Sequence[int], n_slots: int, gpus: Sequence[int] = ()) -> list[Slot]:
    """
    Divide cores evenly between slots, and the slots in turn between GPUs.

    :param cpus: to divide; a slot has at least one, so slots share cores if there are too few
    :param n_slots: at least 1
    :param gpus: ids, empty for none
    :raises ValueError: if there is nothing to divide
    """
    if n_slots < 1 or not cpus:
        raise ValueError(f"cannot make {n_slots} slots of {len(cpus)} cores; at least 1 of each")
    shares = [
        tuple(cpus[i * len(cpus) // n_slots : (i + 1) * len(cpus) // n_slots])
        for i in range(n_slots)
    ]
    return [
        Slot(i, share or (cpus[i % len(cpus)],), gpus[i % len(gpus)] if gpus else None)
        for i, share in enumerate(shares)
    ]


def available_cpus() -> list[int]:
    """List the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def free_gpu_memory() -> dict[int, int]:
    """Ask the driver for the free memory of each GPU in MB; empty where there is no GPU."""
    query = ["nvidia-smi", "--query-gpu=index,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = (line.split(",") for line in answer.stdout.splitlines() if line.strip())
    return {int(index): int(free) for index, free in lines}


def parse_ids(text: str) -> list[int]:
    """
    Read ids as people write them: ``(0,1)``, ``[0,2-4]``, ``0-8``, or nothing.

    :param text: of ids and ranges, both ends included
    :raises ValueError: if it is something else, or an id is named twice
    """
    inner = text.strip().strip("()[]")
    ids: list[int] = []
    for part in filter(None, (part.strip() for part in inner.split(","))):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise ValueError(f"{text!r} is no list of ids; write e.g. '(0,1)' or 0-3")
        first, last = int(match[1]), int(match[2] or match[1])
        ids += range(first, last + 1)
    if len(set(ids)) < len(ids):
        raise ValueError(f"{text!r} names an id twice")
    return ids
