"""Slots: how a host is divided, which slot is lent, and what people may write."""

import os
import subprocess
import sys

import pytest

from util.slots import Slot, SlotPool, available_cpus, divide, parse_ids


@pytest.mark.parametrize(
    ("n_cpus", "n_slots", "sizes"), [(8, 2, [4, 4]), (5, 2, [2, 3]), (2, 6, [1] * 6), (1, 1, [1])]
)
def test_cores_are_divided_evenly(n_cpus: int, n_slots: int, sizes: list[int]) -> None:
    assert sorted(len(slot.cpus) for slot in divide(range(n_cpus), n_slots)) == sizes


def test_shares_are_disjoint_where_there_are_cores_enough() -> None:
    cpus = [cpu for slot in divide(range(9), 4) for cpu in slot.cpus]
    assert sorted(cpus) == list(range(9))


def test_the_gpu_with_most_free_memory_comes_first() -> None:
    pool = SlotPool(divide(range(2), 2, gpus=[0, 1]), 2500, lambda: {0: 3000, 1: 9000})
    assert [slot.gpu for slot in (pool.take(), pool.take()) if slot] == [1, 0]


def test_no_job_starts_on_a_full_gpu() -> None:
    pool = SlotPool(divide(range(2), 2, gpus=[0]), 2500, lambda: {0: 2000})
    assert pool.take() is None


def test_a_slot_comes_back() -> None:
    pool = SlotPool(divide(range(1), 1))
    with pool.lent():
        assert pool.take() is None
    assert pool.take() is not None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_pinned_process_keeps_to_its_cores() -> None:
    cpu = available_cpus()[-1]
    slot = Slot(0, (cpu,))
    code = "import os; print(sorted(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'])"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | slot.environment(),
        preexec_fn=slot.pin,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.split() == [f"[{cpu}]", "1"]


@pytest.mark.parametrize(
    ("text", "ids"),
    [("(0,1)", [0, 1]), ("[0, 2-4]", [0, 2, 3, 4]), ("0-2", [0, 1, 2]), ("", []), ("()", [])],
)
def test_ids_as_people_write_them(text: str, ids: list[int]) -> None:
    assert parse_ids(text) == ids


@pytest.mark.parametrize("text", ["zero", "0,0", "1-", "0;1"])
def test_ids_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="id"):
        parse_ids(text)
