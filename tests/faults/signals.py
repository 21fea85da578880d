"""
Signals in every phase: ``python tests/faults/signals.py n=96``.

8 phases x 3 signals x alone or to the group x overlap on or off: each ends in order and goes on.
"""

import functools
import itertools
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)

from tests.faults.forks import ForkedCommand  # noqa: E402
from tests.faults.kill_runs import Runs  # noqa: E402
from tests.faults.kills import Summary, arguments  # noqa: E402

# where a run pauses for a signal: dotted owner and name of what it is about to call
PHASES = {
    "imports": ("experiment.cli.command_line", "end_single_run"),
    "building": ("experiment.run.run", "build_parts"),
    "tracker": ("experiment.run.run", "tracked"),
    "warm-up": ("experiment.run.epochs", "check_losses"),
    "evaluation": ("experiment.evaluation.episodes", "evaluate"),
    "checkpoint": ("experiment.run.epochs", "save_checkpoint"),
    "result": ("experiment.run.run", "write_result"),
    "artifacts": ("experiment.run.run", "log_summary"),
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PAUSE_SECONDS = 0.5


def pause_before(phase: str, reached: Path) -> None:
    """Patch a function of this fork so that its first call waits for a signal."""
    module, name = PHASES[phase]
    owner = vars(__import__(module, fromlist=[name]))
    real: Callable = owner[name]

    def pausing(*given, **options):
        owner[name] = real
        reached.touch()
        end = time.monotonic() + _PAUSE_SECONDS
        while time.monotonic() < end:  # a handler that only remembers does not end a sleep
            time.sleep(0.01)
        return real(*given, **options)

    owner[name] = pausing


def once(runs: Runs, number: int, phase: str, sign: int, group: bool, overlap: bool) -> str | None:
    """
    Send one signal.

    :return: what went wrong, None if it ended in order and went on
    """
    run = runs.fresh(f"signal{number}")
    reached = run / "reached"
    before = functools.partial(pause_before, phase, reached)
    fork = runs.start(run, f"overlap={str(overlap).lower()}", before=before)
    wait_for(reached, fork)
    (fork.killpg if group else fork.kill)(sign)
    ended = fork.wait()
    result = run / "run" / "result.json"
    if ended not in (0, 130) or "Traceback" in fork.stderr or (ended == 0) != is_done(result):
        return f"exit {ended}: {fork.stderr[-800:]}"
    if ended == 0:
        return None
    if phase != "imports" and f"restore={run}/run" not in fork.stdout:
        return "it was not said how to go on"
    again = runs.go_on(run)
    if again.wait() != 0 or not is_done(result):
        return f"did not go on: {again.stderr[-800:]}"
    return None


def is_done(result: Path) -> bool:
    return result.exists() and '"finished"' in result.read_text(encoding="utf-8")


def wait_for(path: Path, fork: ForkedCommand) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert fork.returncode is None, fork.stderr
        assert time.monotonic() < end, "the phase was never reached"
        time.sleep(0.01)


def campaign(n: int, folder: Path) -> Summary:
    """
    Send signals.

    :param n: how many of the 96; spread over all of them
    :param folder: for the runs
    """
    runs, summary = Runs(folder), Summary()
    every = list(itertools.product(PHASES, SIGNALS, (False, True), (False, True)))
    chosen = every if n >= len(every) else [every[i * len(every) // n] for i in range(n)]
    for number, (phase, sign, group, overlap) in enumerate(chosen):
        wrong = once(runs, number, phase, sign, group, overlap)
        if wrong is not None:
            how = "to the group" if group else "alone"
            name = signal.Signals(sign).name
            summary.bad.append(f"{phase}, {name} {how}, overlap {overlap}: {wrong}")
        summary.n += 1
    return summary


def main() -> None:
    given = arguments(sys.argv[1:], n="96")
    with tempfile.TemporaryDirectory() as folder:
        summary = campaign(int(given["n"]), Path(folder))
    good = summary.n - len(summary.bad)
    print("\n".join([*summary.bad, f"{good} of {summary.n} end in order and go on"]))
    sys.exit(int(bool(summary.bad)))


if __name__ == "__main__":
    main()
