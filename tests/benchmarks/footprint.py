"""
What a run and a search leave on the disk, and how soon they speak.

``python tests/benchmarks/footprint.py``: bytes are those that a run, or a search, adds to a data
folder and an MLflow store that have a run already: folder, artifacts and database, a file with two
names counted once. The plan must leave this clone as it was. The search has ``--trials``, 20 if
nothing is said; what 100 take is then five times that.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
REACH = ("env=PointReach-v0", "algorithm=her")
SEARCH = (
    *("--multirun", *REACH, "policy=small", "n_epochs=6", "eval_after_n_steps=200"),
    "algorithm.learners.sac.learning_rate=tag(log, interval(1e-4, 1e-2))",
    "hydra.sweeper.study_name=rates",
)
PLAN = ("--plan", "env=FetchReach-v4", "algorithm=her")
N_STARTS = 5


def command(*words: str) -> list[str]:
    return [sys.executable, "experiment/train.py", *words]


def train(folder: Path, *words: str) -> None:
    """Run a command of training whose results go to a folder."""
    kept = (f"data_dir={folder}/data", f"tracking.uri=sqlite:///{folder}/mlflow.db")
    subprocess.run(command(*words, *kept), cwd=REPOSITORY, check=True, capture_output=True)


def bytes_by_kind(folder: Path) -> Counter[str]:
    """Add up bytes on the disk by the name of what holds them."""
    found: Counter[str] = Counter()
    seen = set()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if path.is_file() and status.st_ino not in seen:
            seen.add(status.st_ino)
            top = path.relative_to(folder).parts[0]
            found[path.name if top == "data" else top] += status.st_blocks * 512
    return found


def added(folder: Path, *words: str) -> Counter[str]:
    """Run a command; tell what it added to a folder, by name."""
    before = bytes_by_kind(folder)
    train(folder, *words)
    after = bytes_by_kind(folder)
    after.subtract(before)
    return +after


def state() -> tuple[str, frozenset[tuple[str, float]]]:
    """Take down what is in this clone: git's view, and all results with their times."""
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    seen = subprocess.run(status, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    paths = [path for name in ("data", "mlruns") for path in (REPOSITORY / name).rglob("*")]
    paths += REPOSITORY.glob("mlflow.db*")
    return seen.stdout, frozenset((str(path), path.lstat().st_mtime) for path in paths)


def planned() -> tuple[float, str]:
    """Plan a search; return its seconds, and what it left."""
    before = state()
    begin = time.monotonic()
    subprocess.run(command(*PLAN), cwd=REPOSITORY, check=True, capture_output=True)
    seconds = time.monotonic() - begin
    return seconds, "nothing left behind" if state() == before else "it LEFT something behind"


def first_line(folder: Path) -> float:
    """Start a run; return the seconds to its first line, and end it."""
    words = (*REACH, f"data_dir={folder}/data", "tracking=none")
    begin = time.monotonic()
    with subprocess.Popen(
        command(*words), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as started:
        assert started.stdout is not None
        started.stdout.readline()
        seconds = time.monotonic() - begin
        started.kill()
    return seconds


def largest(found: Counter[str]) -> str:
    """Name what takes most."""
    return ", ".join(f"{name} {size / 1e6:.2f}" for name, size in found.most_common(6))


def say(what: str, measured: str, target: str, more: str) -> None:
    print(f"| {what} | {measured} | {target} | {more} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    n_trials = parser.parse_args().trials
    print("| what | measured | target | |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        starts = [first_line(folder) for _ in range(N_STARTS)]
        each = "; ".join(f"{seconds:.2f}" for seconds in starts)
        say("Enter to the first line", f"{statistics.median(starts):.2f} s", "1 s", each)
        seconds, left = planned()
        say("plan of the FetchReach search", f"{seconds:.1f} s", "15 s", left)
        train(folder, *REACH, "debug=true")
        for more in ((), ("policy=small",)):
            one = added(folder, *REACH, *more)
            what = " ".join(["a PointReach run, MB", *more])
            say(what, f"{one.total() / 1e6:.2f}", "0.6", largest(one))
        many = added(folder, *SEARCH, f"hydra.sweeper.n_trials={n_trials}")
        told = f"{n_trials} trials: {many.total() / 1e6:.1f}; {largest(many)}"
        say("100 trials, MB", f"{many.total() / 1e6 * 100 / n_trials:.1f}", "40", told)


if __name__ == "__main__":
    main()
