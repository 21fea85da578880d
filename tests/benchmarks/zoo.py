"""
Ours beside rl_zoo3 2.9.2 in ten everyday tasks: ``python tests/benchmarks/zoo.py``.

Installs rl_zoo3 as its README says into ``data/zoo``, on first use, and does each task on both
sides in turns, in folders of their own. Prints seconds, medians of ``--rounds``, commands, and
lines that a user writes. rl_zoo3 runs with torch's own number of threads and with one, and the
better one of its medians counts; ours as ``source ./set_paths.sh`` leaves the shell. Before the
first round each side trains once, uncounted. ``--only train film`` measures some; resume, evaluate,
film and plot need train.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY)

from tests.benchmarks.zoo_tasks import FILES, TASKS, WARM_UP, Task  # noqa: E402

ZOO_PYTHON = REPOSITORY / "data" / "zoo" / "bin" / "python"
# with its plots, what its enjoy needs and does not name, and what draws Pendulum; torch as ours
PACKAGES = ("rl_zoo3[plots]==2.9.2", "torch==2.13.0", "requests", "moviepy", "pygame")
THREADS = {"torch's threads": None, "one thread": "1"}
"""How theirs is tried: by name, OMP_NUM_THREADS, which ours has from set_paths.sh."""


def install() -> None:
    if ZOO_PYTHON.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", ZOO_PYTHON.parents[1]], check=True)
    subprocess.run([ZOO_PYTHON, "-m", "pip", "install", "-qq", *PACKAGES], check=True)


def ours(task: Task, folder: Path) -> float:
    """Do a task with this repository; return its seconds."""
    script, *words = task.ours
    kept = [f"data_dir={folder}/data"]
    if script == "train.py":
        kept.append(f"tracking.uri=sqlite:///{folder}/mlflow.db")
    command = [sys.executable, str(REPOSITORY / "experiment" / script), *words, *kept]
    return seconds_of(command, folder, "1", task.fails)


def theirs(task: Task, folder: Path, threads: str | None, options: tuple[str, ...]) -> float:
    """Do a task with rl_zoo3; return its seconds."""
    return seconds_of([str(ZOO_PYTHON), "-m", *task.theirs, *options], folder, threads, task.fails)


def seconds_of(command: list[str], folder: Path, threads: str | None, fails: bool) -> float:
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    environment |= {"MUJOCO_GL": "egl", "MPLBACKEND": "agg", "PYTHONPATH": str(folder)}
    environment.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = threads
    begin = time.monotonic()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - begin
    if (done.returncode != 0) is not fails:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-3000:]}")
    return seconds


def folder_of(side: str, scratch: Path) -> Path:
    """Make a folder with what users write."""
    folder = scratch / side
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text.lstrip(), encoding="utf-8")
    return folder


def ways(task: Task, folders: dict[str, Path]) -> dict[str, Callable[[], float]]:
    """List the ways to do a task, by name: ours, and theirs in each setting."""
    found = {"ours": partial(ours, task, folders["ours"])}
    for name, threads in THREADS.items():
        for options in task.their_options:
            setting = " ".join([name, *options])
            found[setting] = partial(theirs, task, folders[name], threads, options)
    return dict(found)


def play(n_rounds: int, tasks: list[Task], scratch: Path) -> dict[str, dict[str, list[float]]]:
    """Do all tasks in turns; return seconds by task and by way."""
    folders = {name: folder_of(name, scratch) for name in ("ours", *THREADS)}
    for way in ways(WARM_UP, folders).values():
        way()
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(n_rounds):
        for task in tasks:
            turns = list(ways(task, folders).items())
            for name, way in turns if number % 2 == 0 else reversed(turns):
                seconds[task.name][name].append(way())
            print(f"round {number + 1}: {task.name}", dict(seconds[task.name]), file=sys.stderr)
    return seconds


def n_lines(names: tuple[str, ...]) -> int:
    return sum(len([line for line in FILES[name].splitlines() if line.strip()]) for name in names)


def row(task: Task, seconds: dict[str, list[float]]) -> str:
    """Write a line of the table: each side's median and rounds, commands, and lines."""
    medians = {side: statistics.median(each) for side, each in seconds.items()}
    ours_is = medians.pop("ours")
    best = min(medians, key=medians.__getitem__)
    rounds = ["; ".join(f"{value:.1f}" for value in seconds[side]) for side in ("ours", best)]
    shown = [f"{ours_is:.1f} ({rounds[0]})", f"{medians[best]:.1f} ({rounds[1]})", best]
    lines = f"{n_lines(task.our_files)}, {n_lines(task.their_files)}"
    verdict = "ours" if ours_is < medians[best] else "rl_zoo3"
    return f"| {' | '.join([task.name, *shown, '1, 1', lines, verdict])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    names = [task.name for task in TASKS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="task")
    arguments = parser.parse_args()
    install()
    tasks = [task for task in TASKS if task.name in arguments.only]
    with tempfile.TemporaryDirectory() as scratch:
        seconds = play(arguments.rounds, tasks, Path(scratch))
    print("| task | ours, s | rl_zoo3, s | its better setting | commands | own lines | faster |")
    print("|---|---|---|---|---|---|---|")
    for task in tasks:
        print(row(task, seconds[task.name]))


if __name__ == "__main__":
    main()
