"""
Kill at many moments, go on, and compare with what was never killed.

``python tests/faults/kills.py what=runs n=400 seed=0``: each kind is a module ``kill_<what>`` here
with ``campaign(n, seed, folder)``.
"""

import importlib
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)


@dataclass
class Summary:
    """
    What came of all kills.

    :param n: kills
    :param of: what was killed
    :param bad: what was wrong after a kill, one line each
    """

    n: int = 0
    of: str = ""
    n_differences: int = 0
    n_lost: int = 0
    n_double: int = 0
    n_running: int = 0
    bad: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.n} kills of {self.of}: {self.n_differences} differences, {self.n_lost} lost, "
            f"{self.n_double} double, {self.n_running} left RUNNING"
        )


def arguments(words: Iterable[str], **defaults: str) -> dict[str, str]:
    """Read ``key=value`` words."""
    return defaults | dict(word.split("=", 1) for word in words)


def main() -> None:
    given = arguments(sys.argv[1:], what="runs", n="20", seed="0")
    module = importlib.import_module(f"tests.faults.kill_{given['what']}")
    with tempfile.TemporaryDirectory() as folder:
        summary = module.campaign(int(given["n"]), int(given["seed"]), Path(folder))
    summary.of = summary.of or given["what"]
    print("\n".join([*summary.bad, str(summary)]))
    sys.exit(int(bool(summary.bad)))


if __name__ == "__main__":
    main()
