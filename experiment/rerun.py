"""Train a run again and say whether it is bit-identical: ``python experiment/rerun.py latest``."""

import argparse
import csv
import json
import subprocess
import sys
import time
from pathlib import Path

# Python puts this file's folder on the path; the packages live one above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from experiment.provenance import code_version, package_versions  # noqa: E402
from experiment.run_directory import (  # noqa: E402
    DATA_DIR,
    EVALUATIONS,
    PROGRESS,
    PROVENANCE,
    RESULT,
    arguments_of,
    find_run,
)
from interface.errors import UserError  # noqa: E402

# depend on the clock, not on the seed
_NOT_COMPARED = ("time/", "system/")
_STEP = {EVALUATIONS: "step", PROGRESS: "time/total_timesteps"}


def differences_of_origin(run_dir: Path) -> list[str]:
    """
    Compare commit and versions of a run with those of now.

    :param run_dir: folder of the run
    :return: one line per difference
    """
    before = json.loads((run_dir / PROVENANCE).read_text(encoding="utf-8"))
    now = code_version() | package_versions()
    return [
        f"{key} was {before.get(key)}, is {now[key]}" for key in now if now[key] != before.get(key)
    ]


def first_difference(before: Path, after: Path) -> str | None:
    """
    Compare two runs' metrics as they were written, to the last digit.

    :param before: folder of the first run
    :param after: folder of the second run
    :return: the first step and metric that differ; None if all rows are equal
    """
    for name, step_column in _STEP.items():
        rows_before, rows_after = _rows(before / name), _rows(after / name)
        for old, new in zip(rows_before, rows_after, strict=False):
            for key in old:
                if not key.startswith(_NOT_COMPARED) and old[key] != new.get(key):
                    step = old[step_column]
                    return f"{name}: step {step}: {key} was {old[key]}, is {new.get(key)}"
        if len(rows_before) != len(rows_after):
            return f"{name}: {len(rows_before)} rows before, {len(rows_after)} now"
    return None


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def different_weights(before: Path, after: Path) -> str | None:
    """
    Compare the final weights of two runs.

    :param before: folder of the first run
    :param after: folder of the second run
    :return: one line if they differ, else None
    """
    old, new = (
        json.loads((folder / RESULT).read_text(encoding="utf-8"))["weights_sha256"]
        for folder in (before, after)
    )
    return None if old == new else f"final weights: sha256 was {old}, is {new}"


def rerun(run_dir: Path) -> str | None:
    """
    Train again and compare.

    :param run_dir: folder of a finished run
    :return: the first difference, None if the runs are bit-identical
    :raises UserError: if the run did not finish
    """
    if not (run_dir / RESULT).exists():
        raise UserError(f"{run_dir} has no {RESULT}: only a run that has ended can be compared")
    for line in differences_of_origin(run_dir):
        _say(f"note: {line}")
    again = run_dir.with_name(f"{run_dir.name}-rerun-{time.strftime('%Y-%m-%d_%H-%M-%S')}")
    train = Path(__file__).with_name("train.py")
    done = subprocess.run([sys.executable, str(train), *arguments_of(run_dir, again)], check=False)
    if not (again / RESULT).exists():
        raise UserError(f"the second run ended with exit code {done.returncode} before its result")
    return first_difference(run_dir, again) or different_weights(run_dir, again)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def main() -> None:
    """Run the command; exit code 0 if bit-identical, 1 if not, 2 for wrong input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run's folder, its MLflow run id, or latest")
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR, help="where runs live")
    arguments = parser.parse_args()
    try:
        difference = rerun(find_run(arguments.run, arguments.data_dir))
    except UserError as error:
        _say(str(error))
        sys.exit(2)
    _say(difference or "bit-identical: every metric and the final weights")
    sys.exit(0 if difference is None else 1)


if __name__ == "__main__":
    main()
