"""One host, filled: each job in a process that is kept to its own cores, and to one GPU."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import psutil
from joblib.externals.loky import ProcessPoolExecutor

from interface.errors import UserError
from util.slots import Slot, SlotPool, available_cpus, divide, free_gpu_memory, parse_ids

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_SECONDS_BETWEEN_WARNINGS = 60.0


def slots_of(cpus: Any, gpus: Any, jobs_per_gpu: int, n_jobs: int) -> list[Slot]:
    """
    Divide this host.

    :param cpus: ids, as a list or as people write them; ``auto``: all that there are
    :param gpus: likewise; nothing for none
    :param jobs_per_gpu: at once on each GPU
    :param n_jobs: at once where there are no GPUs; -1: one for each core
    :raises UserError: if something is not there
    """
    there = available_cpus()
    chosen = there if cpus == "auto" else _known("cpus", cpus, there)
    if not chosen:
        raise UserError(f"hydra.launcher.cpus={cpus} must name at least one core")
    chosen_gpus = _known("gpus", gpus, sorted(free_gpu_memory())) if gpus else []
    if jobs_per_gpu < 1:
        raise UserError(f"hydra.launcher.jobs_per_gpu={jobs_per_gpu} must be at least 1")
    n_slots = len(chosen_gpus) * jobs_per_gpu or (len(chosen) if n_jobs == -1 else n_jobs)
    if n_slots < 1:
        raise UserError(f"hydra.launcher.n_jobs={n_jobs} must be at least 1, or -1")
    if n_slots > len(chosen):
        log.warning("%d jobs share %d cores", n_slots, len(chosen))
    return divide(chosen, n_slots, chosen_gpus)


def _known(key: str, given: Any, there: list[int]) -> list[int]:
    text = given if isinstance(given, str) else str(given).replace("'", "")
    try:
        ids = parse_ids(text)
    except ValueError as error:
        raise UserError(f"hydra.launcher.{key}: {error}") from error
    missing = [one for one in ids if one not in there]
    if missing:
        known = ", ".join(map(str, there)) or "none"
        raise UserError(f"hydra.launcher.{key}: this host has no {missing}; it has {known}")
    return ids


class Host:
    """
    Runs jobs in slots, from any number of threads; a slot keeps its process between jobs.

    :param slots: of this host
    :param free_memory_mb: that must be free before a job starts
    :param free_gpu_memory_mb: that a GPU must have free before a job starts on it
    """

    def __init__(self, slots: Sequence[Slot], free_memory_mb: int, free_gpu_memory_mb: int) -> None:
        self.n_slots = len(slots)
        self._pool = SlotPool(slots, free_gpu_memory_mb)
        self._needed_mb = free_memory_mb
        self._workers: dict[int, ProcessPoolExecutor] = {}
        self._closed = threading.Event()
        for slot in slots:
            gpu = "" if slot.gpu is None else f", GPU {slot.gpu}"
            log.info("slot %d: cores %s%s", slot.index, ",".join(map(str, slot.cpus)), gpu)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """
        Run a job as soon as there is a slot, and memory.

        :param function: to call
        :param arguments: of it
        :return: what the function returned
        :raises BrokenProcessPool: if the process died, or the job was cancelled
        """
        slot = self._wait_for_slot()
        try:
            return self._worker_of(slot).submit(function, *arguments).result()
        except BrokenProcessPool:
            self._workers.pop(slot.index).shutdown(kill_workers=True)
            raise
        finally:
            self._pool.give_back(slot)

    def _wait_for_slot(self) -> Slot:
        warned = float("-inf")
        while not self._closed.is_set():
            free_mb = psutil.virtual_memory().available // 2**20
            if free_mb >= self._needed_mb:
                slot = self._pool.take()
                if slot is not None:
                    return slot
            elif time.monotonic() - warned > _SECONDS_BETWEEN_WARNINGS:
                warned = time.monotonic()
                log.warning(
                    "%d MB of memory are free, a job waits for hydra.launcher.free_memory_mb=%d",
                    free_mb,
                    self._needed_mb,
                )
            self._closed.wait(_POLL_SECONDS)
        raise BrokenProcessPool("the job was cancelled before it began")

    def _worker_of(self, slot: Slot) -> ProcessPoolExecutor:
        if slot.index not in self._workers:
            self._workers[slot.index] = ProcessPoolExecutor(
                max_workers=1, initializer=slot.pin, env=slot.environment()
            )
        return self._workers[slot.index]

    def cancel(self, *, waiting_only: bool) -> None:
        """
        Cancel jobs; none begins any more.

        :param waiting_only: leave those alone that run
        """
        self._closed.set()
        if not waiting_only:
            for worker in list(self._workers.values()):
                worker.shutdown(kill_workers=True)
