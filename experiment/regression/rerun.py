"""Train a run again and say whether it is bit-identical: ``python experiment/rerun.py latest``."""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import hydra.utils

from experiment.run.provenance import code_version, package_versions
from experiment.run_folder.run_directory import (
    BEST,
    DATA_DIR,
    PROGRESS,
    RESULT,
    arguments_of,
    commands_of,
    find_run,
    load_config,
)
from experiment.run_folder.shown import command
from experiment.run_folder.story import RERUN, STARTED_BY, starts_of
from experiment.run_folder.trust import warn_of_foreign_code
from interface.errors import UserError
from interface.resolvers import REPOSITORY
from interface.result import Status
from interface.run_files import EVALUATIONS, LAST

# depend on the clock, not on the seed
_NOT_COMPARED = ("time/", "system/")
_TABLES = (EVALUATIONS, PROGRESS)
# what a search decided: trained alone, such a run ends where it ended
_ENDED_BY_SEARCH = (Status.CAPPED, Status.PRUNED)


def differences_of_origin(run_dir: Path) -> list[str]:
    """
    Compare commit and versions of each start of a run with those of now.

    :param run_dir: folder of the run
    :return: one line per difference
    """
    now = code_version() | package_versions()
    starts = starts_of(run_dir)
    return [
        f"{key} was {was}, is {now[key]}"
        for key in now
        for was in dict.fromkeys(start.origin.get(key) for start in starts)
        if was != now[key]
    ]


def first_difference(before: Path, after: Path) -> str | None:
    """
    Compare two runs' metrics as they were written, to the last digit.

    :param before: folder of the first run
    :param after: folder of the second run
    :return: the first step and metric that differ; None if all rows are equal
    """
    for name in _TABLES:
        rows_before, rows_after = _rows(before / name), _rows(after / name)
        for old, new in zip(rows_before, rows_after, strict=False):
            for key in old | new:
                was, now = old.get(key, ""), new.get(key, "")
                if not key.startswith(_NOT_COMPARED) and was != now:
                    return f"{name}: step {old['step']}: {key} was {was}, is {now}"
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
    old, new = (_result(folder)["weights_sha256"] for folder in (before, after))
    return None if old == new else f"final weights: sha256 was {old}, is {new}"


def _result(run_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run_dir / RESULT).read_text(encoding="utf-8"))
    return content


def arguments_to_repeat(run_dir: Path, output_dir: Path) -> list[str]:
    """
    Make the arguments that train all of a run in one piece, to the same end.

    :param run_dir: folder of the run
    :param output_dir: folder of the run to start
    :raises UserError: if the run did not end, or cannot be trained in one piece
    """
    if not (run_dir / RESULT).exists():
        raise UserError(f"{run_dir} has no {RESULT}: only a run that has ended can be compared")
    result = _result(run_dir)
    status = Status(result["status"])
    if status is Status.INTERRUPTED:
        goes_on = command("train", f"restore={run_dir}")
        raise UserError(f"{run_dir} was interrupted: let it end first, with {goes_on}")
    if len(commands_of(run_dir)) > 1:
        _check_goes_on_exactly(run_dir)
    arguments = arguments_of(run_dir, output_dir)
    if status in _ENDED_BY_SEARCH:
        n_epochs = result["n_steps"] // load_config(run_dir).eval_after_n_steps
        arguments.append(f"n_epochs={n_epochs}")
    return arguments


def _check_goes_on_exactly(run_dir: Path) -> None:
    from experiment.run_folder.checkpoint import read_meta  # imports SB3

    kept = LAST if (run_dir / LAST).exists() else BEST  # a search keeps no more
    model_class = hydra.utils.get_class(read_meta(run_dir / kept).model_class)
    has_episodes = hasattr(model_class, "get_env")
    if has_episodes and not hasattr(model_class, "resume_episodes"):
        raise UserError(
            f"{run_dir} was continued, and {model_class.__name__} starts new episodes where it "
            f"goes on, so it cannot be trained again in one piece"
        )


def rerun(run_dir: Path) -> str | None:
    """
    Train again and compare; what was stopped and went on is trained in one piece.

    :param run_dir: folder of a run that has ended
    :return: the first difference, None if the runs are bit-identical
    :raises UserError: if the run cannot be compared
    """
    commands = commands_of(run_dir)
    again = run_dir.with_name(f"{run_dir.name}-rerun-{time.strftime('%Y-%m-%d_%H-%M-%S')}")
    arguments = arguments_to_repeat(run_dir, again)
    for line in differences_of_origin(run_dir):
        _say(f"note: {line}")
    if len(commands) > 1:
        _say(f"note: the run was continued; the values of its last start hold: {commands[-1]}")
    exit_code = _train(arguments)
    if not (again / RESULT).exists():
        raise UserError(f"the second run ended with exit code {exit_code} before its result")
    return first_difference(run_dir, again) or different_weights(run_dir, again)


def _train(arguments: list[str]) -> int:
    train = REPOSITORY / "experiment" / "train.py"
    words = [sys.executable, str(train), *arguments]
    return subprocess.run(words, env=os.environ | {STARTED_BY: RERUN}, check=False).returncode


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say one sentence, as the other commands do; ``--help`` shows the usage."""
        raise UserError(f"{message}; see --help")


def main() -> None:
    """Run the command; exit code 0 if bit-identical, 1 if not, 2 for wrong input."""
    parser = _Parser(
        description="Train a run again, and say whether it is bit-identical: every metric and the "
        "final weights.",
        epilog="examples:\n  python experiment/rerun.py latest\n"
        "  python experiment/rerun.py data/FetchReach-v4/her/<run> --trust",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", help="a run's folder, its MLflow run id, or latest")
    parser.add_argument("--data-dir", type=Path, default=DATA_DIR, help="where runs live")
    parser.add_argument("--trust", action="store_true", help="say nothing of somebody else's code")
    try:
        arguments = parser.parse_args()
        run_dir = find_run(arguments.run, arguments.data_dir)
        warn_of_foreign_code(run_dir, arguments.data_dir, trusted=arguments.trust, key="--trust")
        difference = rerun(run_dir)
    except UserError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    _say(difference or "bit-identical: every metric and the final weights")
    sys.exit(0 if difference is None else 1)
