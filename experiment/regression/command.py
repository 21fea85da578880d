"""The command line of the regression matrix; ``run_testing.sh`` passes its options on to it."""

import argparse
import platform
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from experiment.regression.generate_testing_commands import (
    KINDS,
    RESULTS,
    list_commands,
    make_rows,
    write_commands,
)
from experiment.regression.history import History
from experiment.regression.live_table import LiveTable
from experiment.regression.matrix import State
from experiment.regression.reports import (
    lines_of,
    terminal_table,
    write_junit,
    write_markdown,
)
from experiment.regression.rows import PERFORMANCE
from experiment.regression.runner import Progress, Runner
from experiment.regression.selection import Selection, parse_shard
from experiment.regression.settings import Settings, load_settings
from experiment.run.provenance import code_fingerprint
from interface.errors import UserError
from interface.resolvers import REPOSITORY
from util.signals import handled_signals
from util.slots import SlotPool, available_cpus, divide, free_gpu_memory, parse_ids

_QUESTIONS = {"performance": "does every agent still learn?", "function": "does every agent run?"}
_FILE_WIDTH = 160


def parser() -> argparse.ArgumentParser:
    """Make the parser; its help explains each option."""
    made = argparse.ArgumentParser(
        prog="run_testing.sh",
        description="Does every agent still run (function), and still learn (performance)?",
    )
    add = made.add_argument
    add("-t", dest="kind", choices=KINDS, help="which matrix (performance)")
    add("--list", action="store_true", help="write the commands to test_cmds.txt, run nothing")
    add("-g", dest="gpus", default="0", metavar="'(0,1)'", help="ids of the GPUs to use")
    add("-p", dest="n_processes", type=int, default=6, help="most runs at once (6)")
    add("-m", dest="free_memory", type=int, default=2500, help="MB free on a GPU to start (2500)")
    add("-s", dest="interval", type=float, help="seconds between starts (15, without a GPU 0)")
    add("--filter", nargs="+", default=[], metavar="PATTERN", help="rows, e.g. 'Fetch*_her-*'")
    add("--ci", action="store_true", help="the rows of conf/regression.yaml's function.ci")
    add("--shard", default="1/1", metavar="i/n", help="part i of n")
    add("--max-minutes", type=float, help="rows expected to fit into so many minutes")
    add("--nightly", action="store_true", help="with the rows that take long")
    add("--fresh", action="store_true", help="run again what this code has run already")
    add("--rows", type=Path, default=PERFORMANCE, help="folder of performance rows")
    add("--output", type=Path, default=RESULTS, help="for the results")
    add("--uri", default=f"sqlite:///{REPOSITORY}/mlflow.db", help="MLflow store; '' for none")
    return made


def _interrupt(name: str) -> None:
    raise KeyboardInterrupt(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a matrix.

    :param arguments: of the command line
    :return: exit code: 0 if all chosen rows passed, 1 if not, 2 for wrong input, 130 for Ctrl-C
    """
    options = parser().parse_args(arguments)
    try:
        with handled_signals(_interrupt):
            return _run(options, _console())
    except UserError as error:
        print(error, file=sys.stderr)  # noqa: T201 (the answer of a command)
        return 2
    except OSError as error:
        print(f"cannot go on: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)  # noqa: T201
        return 130


def _run(options: argparse.Namespace, console: Console) -> int:
    if options.list:
        kinds = KINDS if options.kind is None else [options.kind]
        selection = _selection(options, load_settings(), nightly=True)
        console.print(list_commands(kinds, selection, options.rows, options.output))
        return 0
    kind = options.kind or "performance"
    pool, n_slots, interval = _slots(options, console)
    code, settings = code_fingerprint(), load_settings()
    folder = options.output.resolve() / kind / code
    selection = _selection(options, settings, nightly=options.nightly)
    rows, left_out = selection.split(make_rows(kind, options.rows, settings, folder), n_slots)
    history = History(options.uri, kind, code) if options.uri else None
    if options.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    table = LiveTable(n_slots, console)
    runner = Runner(rows, pool, interval, table)
    console.print(_plan(kind, runner.progress, n_slots))
    console.print(f"commands: {write_commands(rows, folder)}")
    if left_out:
        counts = Counter(left_out.values())
        said = ", ".join(f"{n} {reason}" for reason, n in counts.items())
        console.print(f"left out: {said}; the report names them")
    begun = time.monotonic()
    with table:
        progress = runner.run()
    minutes = (time.monotonic() - begun) / 60
    lines = lines_of(progress, history.before() if history else {})
    if history:
        history.record(progress)
    console.print(terminal_table(lines))
    passed = sum(one.state == State.PASSED for one in progress)
    title = (
        f"{passed} of {len(rows)} rows of the {kind} matrix passed in {minutes:.1f} min, "
        f"{n_slots} at once; code {code}, {platform.machine()}, {len(available_cpus())} cores"
    )
    write_markdown(folder / "report.md", title, lines, left_out)
    write_junit(folder / "junit.xml", kind, progress, left_out)
    console.print(f"{title}; report: {folder / 'report.md'}")
    return 0 if passed == len(rows) else 1


def _console() -> Console:
    """Write to the terminal; a file has lines as long as they need to be."""
    return Console(width=None if sys.stdout.isatty() else _FILE_WIDTH, soft_wrap=True)


def _plan(kind: str, progress: Sequence[Progress], n_slots: int) -> str:
    """Say what will be done, and how long it takes if the rows take what they took before."""
    left = [one.row for one in progress if not one.is_decided]
    n_done = len(progress) - len(left)
    done = f", {n_done} of them done already" if n_done else ""
    minutes = sum(row.expected_minutes for row in left) / n_slots
    n_runs = sum(row.required for row in left)
    return (
        f"{kind} matrix, {_QUESTIONS[kind]} {len(progress)} rows{done}: {n_runs} runs at least, "
        f"{n_slots} at once, about {minutes:.0f} min. Ctrl-C ends them; the same command goes on."
    )


def _selection(options: argparse.Namespace, settings: Settings, *, nightly: bool) -> Selection:
    patterns = [*options.filter, *(settings.function.ci if options.ci else [])]
    shard = parse_shard(options.shard)
    return Selection(tuple(patterns), shard, options.max_minutes, nightly)


def _slots(options: argparse.Namespace, console: Console) -> tuple[SlotPool, int, float]:
    """Make the slot pool; return it, its size, and the seconds between two starts."""
    if options.n_processes < 1:
        raise UserError(f"-p {options.n_processes}: at least 1 process")
    cpus, memory = available_cpus(), free_gpu_memory()
    n_slots = min(options.n_processes, len(cpus))
    if not memory:
        console.print("no GPU here: -g and -m have no effect")
        return SlotPool(divide(cpus, n_slots)), n_slots, options.interval or 0.0
    try:
        gpus = parse_ids(options.gpus)
    except ValueError as error:
        raise UserError(f"-g {error}") from error
    missing = [gpu for gpu in gpus if gpu not in memory]
    if missing:
        there = ", ".join(map(str, memory))
        raise UserError(
            f"-g {options.gpus}: there is no GPU {missing[0]}; this machine has {there}"
        )
    interval = 15.0 if options.interval is None else options.interval
    return SlotPool(divide(cpus, n_slots, gpus), options.free_memory), n_slots, interval
