"""Function rows: did every part of a run work? Exit codes and files decide, not words in a log."""

import csv
import re
from pathlib import Path

from experiment.regression.matrix import Job, Outcome, Verdict
from experiment.run_folder.run_directory import BEST
from interface.run_files import EVALUATIONS, FILMS, LAST

_LOG_END_BYTES = 20_000


def check_function(job: Job, outcome: Outcome, n_epochs: int) -> Verdict:
    """
    Judge a job of the function matrix.

    :param job: that has ended
    :param outcome: how
    :param n_epochs: evaluations that it must have made, those after the restore included
    """
    failure = failure_of(job, outcome) or _missing_part(job.folder, n_epochs)
    metrics = {"minutes": outcome.seconds / 60}
    if failure:
        return Verdict(passed=False, message=failure, metrics=metrics)
    return Verdict(passed=True, message="trained, tested, filmed, restored", metrics=metrics)


def failure_of(job: Job, outcome: Outcome) -> str | None:
    """
    Tell why a job's process failed, None if it did not.

    :param job: that has ended
    :param outcome: how
    """
    if outcome.timed_out:
        return f"not done after {job.timeout_minutes:.0f} min; see {job.log}"
    if outcome.exit_code == 0:
        return None
    ended = f"signal {-outcome.exit_code}" if outcome.exit_code < 0 else f"exit {outcome.exit_code}"
    return f"{ended}: {cause_in(job.log)}; see {job.log}"


def cause_in(log: Path) -> str:
    """
    Find what a process said last: the error of its last traceback with its place, or a sentence.

    :param log: what it printed
    """
    if not log.exists():
        return "it printed nothing"
    text = log.read_bytes()[-_LOG_END_BYTES:].decode(errors="replace")
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    begins = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call")]
    if not begins:
        return lines[-1] if lines else "it printed nothing"
    error = next((line for line in lines[begins[-1] + 1 :] if line[0] not in " +|"), lines[-1])
    places = re.findall(r'File "(?:[^"]*/)?([^"/]+)", line (\d+)', "\n".join(lines[begins[-1] :]))
    return f"{error} ({places[-1][0]}:{places[-1][1]})" if places else error


def _missing_part(folder: Path, n_epochs: int) -> str | None:
    """Tell what a run that ended well did not do."""
    for name in (BEST, LAST):
        if not (folder / name).exists():
            return f"it left no checkpoint {name} in {folder}"
    evaluations = rows_of(folder / EVALUATIONS)
    if len(evaluations) != n_epochs:
        return f"{len(evaluations)} evaluations in {folder / EVALUATIONS}, must be {n_epochs}"
    if not any((folder / FILMS).glob("*")):
        return f"it left no film in {folder / FILMS}"
    columns = {
        k for path in folder.glob("progress*.csv") for row in rows_of(path) for k in row if row[k]
    }
    if not any(column.startswith("train/") and "loss" in column for column in columns):
        return f"it made no gradient step: no loss in {folder}/progress*.csv"
    return None


def rows_of(path: Path) -> list[dict[str, str]]:
    """
    Read a CSV file; none is as good as an empty one.

    :param path: of the file
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
