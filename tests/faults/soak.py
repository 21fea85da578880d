"""
Does anything grow? ``python tests/faults/soak.py minutes=30`` lets `her`, `hac` and a search run.

All three run side by side, each in a folder of its own, and are looked at every few seconds:
memory (proportional set size of all their processes), open descriptors, threads, and files they
left in their folder for temporary files and in shared memory. The first half fills buffers and
starts workers; flat means that the last quarter needs no more than the quarter before it.
"""

import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
_SECONDS_BETWEEN_LOOKS = 5
_END_SECONDS = 120
_TOLERANCES = {"memory": 0.02, "descriptors": 0.05, "threads": 0.05, "files": 0.0}
"""Share by which the last quarter may exceed the one before it: a search starts and ends runs."""

_TOY = [
    "env=PointReach-v0",
    "policy=small",
    "preset=none",
    "seed=1",
    "n_threads=1",
    "overlap=false",
    "n_test_rollouts=5",
    "log_interval=100",
]
_ENDLESS = ["eval_after_n_steps=2000", "n_epochs=1000000", "early_stop_threshold=1.1"]
_SHORT = ["eval_after_n_steps=500", "n_epochs=3"]
_SMALL_BUFFERS = ["algorithm.learners.sac.buffer_size=20000"]

KINDS = {
    "her": ["algorithm=her", *_SMALL_BUFFERS, *_ENDLESS],
    "hac": ["algorithm=hac", *_SMALL_BUFFERS, *_ENDLESS],
    "search": [
        "--multirun",
        "algorithm=her",
        *_SMALL_BUFFERS,
        *_SHORT,
        "early_stop_threshold=1.1",
        "hydra.sweeper.n_trials=100000",
        "hydra.sweeper.n_jobs=2",
    ],
}


@dataclass(frozen=True)
class Look:
    """
    What a run needs at one moment.

    :param memory: MB, shared pages counted once
    :param descriptors: open ones
    :param threads: of all its processes
    :param files: temporary ones, in its own folder and in shared memory
    """

    memory: float
    descriptors: int
    threads: int
    files: int


@dataclass
class Soak:
    """
    One run that is watched.

    :param kind: a key of ``KINDS``
    :param folder: for all that it writes
    """

    kind: str
    folder: Path
    looks: list[Look] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start it, in a process group of its own."""
        self._temporary = self.folder / "tmp"
        self._temporary.mkdir(parents=True)
        command = [
            sys.executable,
            str(REPOSITORY / "experiment" / "train.py"),
            *KINDS[self.kind],
            *_TOY,
            f"data_dir={self.folder}/data",
            f"tracking.uri=sqlite:///{self.folder}/mlflow.db",
            f"tracking.artifact_location={self.folder}/artifacts",
        ]
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {"TMPDIR": str(self._temporary)},
            )

    def look(self) -> None:
        """Note what it needs now."""
        try:
            root = psutil.Process(self.process.pid)
            processes = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        memory, descriptors, threads = 0.0, 0, 0
        for process in processes:
            try:
                memory += process.memory_full_info().pss / 2**20
                descriptors += process.num_fds()
                threads += process.num_threads()
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        files = sum(len(names) for _, _, names in os.walk(self._temporary))
        files += len(shared_files({process.pid for process in processes}))
        self.looks.append(Look(memory, descriptors, threads, files))

    def end(self) -> bool:
        """End it as Ctrl-C does; tell whether it ended in order."""
        if self.process.poll() is not None:
            return False  # nothing here ends by itself
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(_END_SECONDS) in (0, 130)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return False

    def quarter(self, number: int) -> dict[str, float]:
        """
        Sum up a quarter of the time by the median of each number.

        :param number: from 0
        """
        size = len(self.looks) // 4
        looks = self.looks[number * size : (number + 1) * size]
        return {name: statistics.median(getattr(one, name) for one in looks) for name in _NUMBERS}


_NUMBERS = tuple(Look.__dataclass_fields__)


def shared_files(pids: set[int]) -> list[str]:
    """
    List what processes keep in shared memory: joblib's and loky's names hold their number.

    :param pids: of the processes
    """
    names = [path.name for path in Path("/dev/shm").iterdir()]
    return [name for name in names if pids & set(map(int, re.findall(r"\d+", name)))]


def grew(soak: Soak) -> list[str]:
    """
    Name what grew from the third quarter to the last.

    :param soak: that has ended
    """
    third, last = soak.quarter(2), soak.quarter(3)
    return [name for name in _NUMBERS if last[name] > third[name] * (1 + _TOLERANCES[name])]


def main(minutes: float) -> int:
    """
    Watch all kinds for a while and print one row for each.

    :param minutes: to watch them
    :return: exit code, 1 if anything grew or did not end in order
    """
    status = 0
    with tempfile.TemporaryDirectory(dir=REPOSITORY / "data") as folder:
        soaks = [Soak(kind, Path(folder) / kind) for kind in KINDS]
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            for soak in soaks:
                soak.look()
        print("| run | memory MB, by quarter | descriptors | threads | files | |")
        print("|---|---|---|---|---|---|")
        for soak in soaks:
            in_order = soak.end()
            quarters = [soak.quarter(number) for number in range(4)]
            cells = [", ".join(f"{one[name]:.0f}" for one in quarters) for name in _NUMBERS]
            growth = grew(soak)
            said = f"grew: {', '.join(growth)}" if growth else "flat"
            said += "" if in_order else "; did not end in order: see above"
            print(f"| {soak.kind} | {' | '.join(cells)} | {said} |")
            if not in_order:
                print((soak.folder / "log").read_text()[-2000:])
            status |= bool(growth) or not in_order
    return status


if __name__ == "__main__":
    arguments = dict(text.split("=", 1) for text in sys.argv[1:])
    sys.exit(main(float(arguments.get("minutes", 30))))
