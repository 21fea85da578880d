"""Launchers of ours: shares of a host, packed allocations, queues that are watched and refuse."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from submitit.core.utils import UncompletedJobError

from hydra_plugins.subgoal_launchers._host import Host, slots_of
from hydra_plugins.subgoal_launchers._pack import Pack, serve
from hydra_plugins.subgoal_launchers._queue import SqueueWatcher, last_line
from interface.errors import UserError
from interface.result import RunResult, Status
from tests.hydra_plugins.test_sweep import study, sweep
from tests.running import forked_command
from util.slots import Slot, available_cpus

CORES = available_cpus()


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that tells of two GPUs; the second one is nearly full."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, 40000'\necho '1, 1000'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_slots_of_gpus(two_gpus: None):
    slots = slots_of(CORES[:1], "[0,1]", jobs_per_gpu=2, n_jobs=7)
    assert [slot.gpu for slot in slots] == [0, 1, 0, 1]
    assert all(slot.cpus == (CORES[0],) for slot in slots)
    assert slots[1].environment()["CUDA_VISIBLE_DEVICES"] == "1"
    host = Host(slots, free_memory_mb=0, free_gpu_memory_mb=2500)
    assert [host._wait_for_slot().gpu for _ in range(2)] == [0, 0]  # the other one is full


def test_slots_without_gpus():
    assert len(slots_of("auto", [], jobs_per_gpu=1, n_jobs=-1)) == len(CORES)
    assert [slot.cpus for slot in slots_of(str(CORES[0]), [], 1, 1)] == [(CORES[0],)]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (("0-4096", [], 1, 1), "this host has no"),
        (("auto", [7], 1, 1), "gpus: this host has no .7.; it has 0, 1"),
        (("auto", [0], 0, 1), "jobs_per_gpu=0 must be at least 1"),
        (("auto", [], 1, 0), "n_jobs=0 must be at least 1, or -1"),
        (("all", [], 1, 1), "is no list of ids"),
        (([], [], 1, 1), "must name at least one core"),
    ],
)
def test_shares_that_are_not_there(shares: Any, message: str, two_gpus: None):
    with pytest.raises(UserError, match=message):
        slots_of(*shares)


def what_a_job_sees(pid_to_end: int | None = None) -> tuple[list[int], str, str]:
    if pid_to_end is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    threads, gpus = os.environ["OMP_NUM_THREADS"], os.environ["CUDA_VISIBLE_DEVICES"]
    return sorted(os.sched_getaffinity(0)), threads, gpus


def test_a_job_keeps_to_its_slot_and_a_dead_process_is_replaced():
    host = Host([Slot(0, (CORES[-1],), gpu=3)], free_memory_mb=0, free_gpu_memory_mb=0)
    host._pool._free_memory = lambda: {3: 1}
    try:
        assert host.run(what_a_job_sees) == ([CORES[-1]], "1", "3")
        with pytest.raises(BrokenProcessPool):
            host.run(what_a_job_sees, 1)
        assert host.run(what_a_job_sees) == ([CORES[-1]], "1", "3")
    finally:
        host.cancel(waiting_only=False)
    with pytest.raises(BrokenProcessPool, match="cancelled"):
        host.run(what_a_job_sees)


def test_a_sweep_fills_the_host(tmp_path: Path):
    done = sweep(tmp_path, "hydra/launcher=balanced", "hydra.launcher.free_memory_mb=0")
    assert done.returncode == 0, done.stderr
    assert [trial.state.is_finished() for trial in study(tmp_path).trials] == [True] * 4
    assert f"slot 0: cores {CORES[0]}" in done.stdout + done.stderr


def test_a_sweep_by_submitit_on_this_host(tmp_path: Path):
    done = sweep(tmp_path, "hydra/launcher=slurm_local", "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.stderr
    assert [trial.state.is_finished() for trial in study(tmp_path).trials] == [True] * 2
    assert list(tmp_path.glob(".submitit/*/*_result.pkl"))


def test_without_slurm_there_is_one_sentence(tmp_path: Path):
    overrides = ("hydra/launcher=slurm", f"hydra.sweep.dir={tmp_path}/sweep")
    task = ("env=PointReach-v0", "algorithm.learners.sac.gamma=interval(0.9,0.99)")
    done = forked_command(
        *("experiment/train.py", "--multirun", *task, *overrides),
        env={"PATH": str(Path(sys.executable).parent)},
    )
    assert done.returncode == 2
    assert "there is no SLURM on this host" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("line", "is_done"),
    [
        ("5|PENDING|Resources", False),
        ("5|RUNNING|None", False),
        ("5|SUSPENDED|None", False),
        ("5|CONFIGURING|None", False),
        ("5|REQUEUED|None", False),
        ("5|CANCELLED|None", True),
        ("5|NODE_FAIL|None", True),
        ("5|PREEMPTED|None", True),
        ("6|RUNNING|None", True),
        ("", True),
    ],
)
def test_which_jobs_ended(line: str, is_done: bool, monkeypatch: pytest.MonkeyPatch):
    watcher = SqueueWatcher()
    watcher.register_job("5")
    monkeypatch.setattr(subprocess, "check_output", lambda *_, **__: line.encode())
    watcher.update()
    assert watcher.is_done("5", mode="cache") == is_done


def test_a_queue_that_does_not_answer_ends_nothing(monkeypatch: pytest.MonkeyPatch):
    watcher = SqueueWatcher()
    watcher.register_job("5")

    def refuse(*_: Any, **__: Any) -> bytes:
        raise subprocess.CalledProcessError(1, "squeue")

    monkeypatch.setattr(subprocess, "check_output", refuse)
    watcher.update()
    assert not watcher.is_done("5", mode="cache")


def test_complaints_are_shortened():
    assert last_line("sbatch: error: Batch job submission failed: No\n") == (
        "Batch job submission failed: No"
    )


class Allocation:
    """Stands in for a SLURM job: processes on this host."""

    def __init__(self, job_id: str, n_tasks: int, arguments: tuple[Any, ...]) -> None:
        self.job_id = job_id
        spawn = multiprocessing.get_context("fork")
        self.tasks = [
            spawn.Process(target=work_off, args=(job_id, *arguments)) for _ in range(n_tasks)
        ]
        for task in self.tasks:
            task.start()

    def done(self) -> bool:
        return not any(task.is_alive() for task in self.tasks)


def work_off(job_id: str, *arguments: Any) -> None:
    os.environ["SLURM_JOB_ID"] = job_id
    serve(*arguments)


class Allocations:
    """Stands in for a queue of SLURM's."""

    def __init__(self, n_tasks: int) -> None:
        self.n_tasks = n_tasks
        self.all: list[Allocation] = []

    def submit(self, function: Any, *arguments: Any) -> Allocation:
        self.all.append(Allocation(str(len(self.all)), self.n_tasks, arguments))
        return self.all[-1]

    def cancel(self, *, waiting_only: bool) -> None:
        pass


def returns(value: Any, seconds: float = 0.0) -> JobReturn:
    time.sleep(seconds)
    return JobReturn(status=JobStatus.COMPLETED, _return_value=value)


def test_trials_share_an_allocation(tmp_path: Path):
    queue: Any = Allocations(n_tasks=2)
    pack = Pack(queue, tmp_path / "pack", n_tasks=2, idle_seconds=1.0)
    numbers = [pack.submit(returns, value, 0.2) for value in range(5)]
    assert [pack.result(number).return_value for number in numbers] == list(range(5))
    assert len(queue.all) == 3  # five at once, two in each
    first = queue.all[0]
    first.tasks[0].join(10)
    assert first.tasks[0].exitcode == 0  # given back when idle


def test_a_packed_trial_of_a_lost_allocation_is_lost(tmp_path: Path):
    queue: Any = Allocations(n_tasks=1)
    pack = Pack(queue, tmp_path / "pack", n_tasks=1, idle_seconds=5.0)
    number = pack.submit(returns, 1, 60.0)
    while not list(pack._folder.glob("*.taken-*")):
        time.sleep(0.1)
    queue.all[0].tasks[0].kill()
    with pytest.raises(UncompletedJobError, match="without a result"):
        pack.result(number)
    interrupted = RunResult((0.0,), Status.INTERRUPTED, 1, 1)
    assert pack.result(pack.submit(returns, interrupted)).return_value == interrupted
    queue.all[1].tasks[0].join(10)
    assert queue.all[1].done()  # its time was up


def test_packed_trials_that_wait_are_cancelled(tmp_path: Path):
    queue: Any = Allocations(n_tasks=0)
    pack = Pack(queue, tmp_path / "pack", n_tasks=1, idle_seconds=5.0)
    number = pack.submit(returns, 1)
    pack.cancel(waiting_only=True)
    with pytest.raises(UncompletedJobError, match="without a result"):
        pack.result(number)
