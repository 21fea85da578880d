"""
A disk that fills at many different writes: ``python tests/faults/disks.py n=100 seed=0``.

From one write on nothing can be written any more; then there is room again, and the run goes on.
"""

import functools
import random
import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

from tests.faults.kill_runs import Runs  # noqa: E402
from tests.faults.kills import Summary, arguments  # noqa: E402
from tests.faults.write_hooks import full_disk_from  # noqa: E402


def campaign(n: int, seed: int, folder: Path) -> Summary:
    """
    Fill the disk.

    :param n: how often
    :param seed: of the writes
    :param folder: for the runs
    """
    runs, summary, rng = Runs(folder), Summary(), random.Random(seed)
    writes = [rng.randint(1, runs.n_writes) for _ in range(n)]
    if n >= runs.n_writes:
        writes[: runs.n_writes] = range(1, runs.n_writes + 1)
    for number, k in enumerate(writes):
        run, what = runs.fresh(str(number)), f"full at write {k}"
        fork = runs.start(run, before=functools.partial(full_disk_from, k, run / "run"))
        fork.wait()
        if "Traceback" in fork.stderr:
            summary.bad.append(f"{what}: a traceback: {fork.stderr[-500:]}")
        runs.finish(fork, run, what, summary)
        summary.n += 1
    return summary


def main() -> None:
    given = arguments(sys.argv[1:], n="20", seed="0")
    with tempfile.TemporaryDirectory() as folder:
        summary = campaign(int(given["n"]), int(given["seed"]), Path(folder))
    print("\n".join([*summary.bad, str(summary).replace("kills of ", "full disks")]))
    sys.exit(int(bool(summary.bad)))


if __name__ == "__main__":
    main()
