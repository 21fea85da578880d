"""
Two jobs on two cores, pinned and not, in turns: ``python tests/benchmarks/pinned_jobs.py``.

The same two trials by ``hydra/launcher=workers`` and by ``hydra/launcher=balanced``; seconds are
those of the runs, without imports.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY)

from util.statistics import interval_text, mean_interval  # noqa: E402

LAUNCHERS = ("workers", "balanced")
TASK = (
    *("env=PointReach-v0", "tracking=none", "tensorboard=false", "preset=none", "seed=1"),
    *("early_stop_threshold=1.1", "n_test_rollouts=10", "n_epochs=2"),
    "algorithm.learners.sac.gamma=choice(0.9,0.95)",
    *("hydra/sweeper/sampler=random", "hydra/sweeper/pruner=none"),
    *("hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=2", "hydra.sweeper.no_sign_of_life=null"),
)


def affinities(sweep: subprocess.Popen) -> set[tuple[int, ...]]:
    """Look at the cores that the workers of a sweep may use."""
    found = set()
    for child in psutil.Process(sweep.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended in this moment
            if "LokyProcess" in " ".join(child.cmdline()):
                found.add(tuple(child.cpu_affinity()))
    return found


def run(launcher: str, n_steps: int, folder: Path) -> tuple[float, set[tuple[int, ...]]]:
    """Run both trials; return the mean of their seconds, and the cores of each."""
    command = [sys.executable, "experiment/train.py", "--multirun", *TASK]
    command += [f"eval_after_n_steps={n_steps // 2}", f"hydra/launcher={launcher}"]
    sweep = subprocess.Popen(
        [*command, f"hydra.sweep.dir={folder}"], stdout=subprocess.DEVNULL, cwd=REPOSITORY
    )
    cores: set[tuple[int, ...]] = set()
    while sweep.poll() is None:
        if all((folder / str(number) / "last.zip").exists() for number in range(2)):
            cores = affinities(sweep) or cores
        time.sleep(0.5)
    results = [json.loads((folder / str(i) / "result.json").read_text()) for i in range(2)]
    return statistics.mean(one["seconds"] for one in results), cores


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4000)
    arguments = parser.parse_args()
    print(
        "| launcher | cores of each job | seconds of a run, mean | each round |\n|---|---|---|---|"
    )
    seconds: dict[str, list[float]] = {name: [] for name in LAUNCHERS}
    cores: dict[str, set[tuple[int, ...]]] = {}
    for number in range(arguments.rounds):
        for name in LAUNCHERS if number % 2 == 0 else LAUNCHERS[::-1]:
            with tempfile.TemporaryDirectory() as folder:
                took, cores[name] = run(name, arguments.steps, Path(folder))
            seconds[name].append(took)
    for name, found in seconds.items():
        each = ", ".join(f"{value:.1f}" for value in found)
        print(f"| {name} | {sorted(cores[name])} | {statistics.mean(found):.1f} | {each} |")
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    interval = interval_text(*mean_interval(ratios))
    print(f"\nworkers take {statistics.mean(ratios):.3f} {interval} times as long")


if __name__ == "__main__":
    main()
