"""
How fast do we train, against SB3 and SBX? Everything that a ratio compares takes turns.

    python tests/benchmarks/training_speed.py                     # all, about 20 minutes
    python tests/benchmarks/training_speed.py --only sac sampling

Results go to data/training_speed.json and .md; parts that were not measured now stay as they were.
On one core it is CPU time that counts; for two (``sac_2``, ...) the machine must be idle.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch as th

from tests.benchmarks import parts
from tests.benchmarks.experience import DATA, FLAT_ENV, GOAL_ENV, Setting, collect
from tests.benchmarks.peers import install_sbx
from tests.benchmarks.table import markdown

RESULTS = DATA / "training_speed.json"
OURS_AND_SB3 = ("eager", "native", "compile", "sb3")
ALL = (*OURS_AND_SB3, "sbx")
SAC = Setting("SAC")
Results = dict[str, Any]


Measured = Iterator[tuple[str, Results]]
"""Name and result of one comparison after the other."""


def gradient_part(learner: str, n_cores: int) -> Callable[[int], Measured]:
    def measure(n_rounds: int) -> Measured:
        for env in (GOAL_ENV, FLAT_ENV):
            setting = Setting(learner, env)
            key = f"{learner}, {'HER' if env == GOAL_ENV else 'flat'}, {n_cores} core"
            # SBX's DDPG knows no Dict observations
            names = OURS_AND_SB3 if (learner, env) == ("DDPG", GOAL_ENV) else ALL
            yield key, alone(n_cores, parts.gradient_steps, setting, n_cores, names, n_rounds)

    return measure


def small_part(n_rounds: int) -> Measured:
    setting = SAC._replace(batch_size=64, width=64)
    measured = alone(1, parts.gradient_steps, setting, 1, ALL, 2 * n_rounds)
    yield "SAC 64/64, HER, 1 core", measured


def sampling_part(n_rounds: int) -> Measured:
    yield "HER sampling, 10k of 10k", alone(1, parts.sampling, 10_000, n_rounds)
    yield "HER sampling, 1M of 1M", alone(1, parts.sampling, 1_000_000, n_rounds)


def end_to_end_part(n_cores: int) -> Callable[[int], Measured]:
    def measure(n_rounds: int) -> Measured:
        key = f"FetchReach end to end, {n_cores} core"
        yield key, alone(n_cores, parts.end_to_end, SAC, n_cores, n_rounds)

    return measure


def split_part(n_rounds: int) -> Measured:
    yield "split", alone(1, parts.split, SAC, n_rounds)


def memory_part(n_rounds: int) -> Measured:
    yield "bytes per transition", alone(1, parts.bytes_per_transition)
    yield "peak memory, MB", {name: alone(1, parts.peak_memory, name, SAC) for name in ALL}


PARTS: dict[str, Callable[[int], Measured]] = {
    "sac": gradient_part("SAC", 1),
    "td3": gradient_part("TD3", 1),
    "ddpg": gradient_part("DDPG", 1),
    "sac_2": gradient_part("SAC", 2),
    "td3_2": gradient_part("TD3", 2),
    "ddpg_2": gradient_part("DDPG", 2),
    "small": small_part,
    "sampling": sampling_part,
    "split": split_part,
    "memory": memory_part,
    "end_to_end": end_to_end_part(1),
    "end_to_end_2": end_to_end_part(2),
}


def alone(n_cores: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a fresh process that has so many cores."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, use_cores, (n_cores,)) as pool:
        return pool.submit(function, *arguments).result()


def use_cores(n: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])
    th.set_num_threads(n)


def provenance() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.check_output(command, cwd=DATA.parent, text=True).strip()
    load = f"load {os.getloadavg()[0]:.1f}"  # about 1 if nothing else ran, 2 with two cores
    return f"{commit}, {time.strftime('%Y-%m-%d')}, torch {th.__version__}, {load}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=15, help="turns of each peer")
    options = parser.parse_args()
    install_sbx()
    for env in (GOAL_ENV, FLAT_ENV):
        collect(env)
    results: Results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    for name in options.only:
        for key, measured in PARTS[name](options.rounds):
            results[key] = {"measured": provenance()} | measured
            RESULTS.write_text(json.dumps(results, indent=1), "utf-8")
    text = markdown(results)
    RESULTS.with_suffix(".md").write_text(text, "utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
