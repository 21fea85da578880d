"""
From the matrix to its jobs, and to ``test_cmds.txt``: every command can be run by hand.

``python -m experiment.regression.generate_testing_commands`` writes those of both matrices, as
``./run_testing.sh --list`` does.
"""

import functools
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiment.regression.check_error_logs import check_function
from experiment.regression.grid import function_commands, function_rows
from experiment.regression.matrix import Job, Row
from experiment.regression.rows import PERFORMANCE, load_rows, performance_command
from experiment.regression.selection import Selection
from experiment.regression.settings import Settings, load_settings
from experiment.regression.validate_performance_testing import check_performance
from experiment.run.provenance import code_fingerprint
from interface.resolvers import REPOSITORY
from util.atomic_write import atomic_write_text

KINDS = ("performance", "function")
COMMANDS = "test_cmds.txt"
RESULTS = REPOSITORY / "data" / "testing"


def make_rows(kind: str, performance: Path, settings: Settings, folder: Path) -> list[Row]:
    """
    Make the rows of a matrix.

    :param kind: of matrix
    :param performance: folder of the YAML files of performance rows
    :param settings: of ``conf/regression.yaml``
    :param folder: of the matrix
    """
    if kind == "function":
        return make_function_rows(settings, folder)
    return make_performance_rows(performance, settings, folder)


def make_performance_rows(rows: Path, settings: Settings, folder: Path) -> list[Row]:
    """
    Make the rows of the performance matrix.

    :param rows: folder of the rows' YAML files
    :param settings: of ``conf/regression.yaml``
    :param folder: of the matrix
    """
    made = []
    for row in load_rows(rows):
        jobs = tuple(
            Job(
                row.name,
                seed,
                folder / f"{row.name}-s{seed}",
                (performance_command(row, seed, folder / f"{row.name}-s{seed}"),),
                settings.timeout_minutes(row.minutes),
            )
            for seed in row.seeds
        )
        judge = functools.partial(check_performance, row, slow_factor=settings.slow_factor)
        note = f"{row.required} of {len(row.seeds)} (false alarm {row.false_alarm:.0%})"
        made.append(Row(row.name, jobs, row.required, row.minutes, judge, row.nightly, note))
    return made


def make_function_rows(settings: Settings, folder: Path) -> list[Row]:
    """
    Make the rows of the function matrix.

    :param settings: of ``conf/regression.yaml``
    :param folder: of the matrix
    """
    function = settings.function
    n_epochs = _n_epochs(function.restored)
    made = []
    for name, overrides in function_rows(function).items():
        run = folder / f"{name}-s1"
        commands = tuple(function_commands(overrides, function, 1, run))
        job = Job(name, 1, run, commands, settings.timeout_minutes(function.minutes))
        judge = functools.partial(check_function, n_epochs=n_epochs)
        made.append(Row(name, (job,), 1, function.minutes, judge))
    return made


def write_commands(rows: Iterable[Row], folder: Path) -> Path:
    """
    Write what will be run, a line for each job.

    :param rows: chosen
    :param folder: of the matrix
    :return: the file
    """
    jobs = [job for row in rows for job in row.jobs]
    lines = [" && ".join(shlex.join(command) for command in job.commands) for job in jobs]
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_text(folder / COMMANDS, "\n".join(lines) + "\n")
    return folder / COMMANDS


def list_commands(
    kinds: Sequence[str] = KINDS,
    selection: Selection = Selection(nightly=True),  # noqa: B008 (it is frozen)
    performance: Path = PERFORMANCE,
    results: Path = RESULTS,
) -> str:
    """
    Write the commands of matrices to the root of the repository, and run nothing.

    :param kinds: of the matrices
    :param selection: of rows
    :param performance: folder of the YAML files of performance rows
    :param results: where the runs would be
    :return: a sentence that says what was written
    :raises UserError: if no row is chosen
    """
    settings, code = load_settings(), code_fingerprint()
    rows = [
        row
        for kind in kinds
        for row in make_rows(kind, performance, settings, results.resolve() / kind / code)
    ]
    chosen, _ = selection.split(rows, n_slots=1)
    path = write_commands(chosen, REPOSITORY)
    n_commands = sum(len(row.jobs) for row in chosen)
    return f"{path}: {n_commands} commands of {len(chosen)} rows ({', '.join(kinds)}); none was run"


def _n_epochs(restored: list[str]) -> int:
    """Read how many evaluations a run must have after its restore."""
    return int(next(word for word in restored if word.startswith("n_epochs=")).partition("=")[2])


if __name__ == "__main__":
    print(list_commands())  # noqa: T201 (the answer of a command)
