"""A run's whole story: each of its starts, with command, time, commit, versions and machine."""

import json
import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from interface.run_context import RunContext
from interface.run_files import CONFIG
from util.atomic_write import atomic_write_text

PROVENANCE = "provenance.json"
"""Holds the starts of a run, oldest first."""

STARTED_BY = "SUBGOAL_STARTED_BY"
"""Variable by which a command that trains runs of its own says so."""

STARTERS = USER, SEARCH, MATRIX, RERUN = "user", "search", "matrix", "rerun"
"""Who may start a run."""


@dataclass(frozen=True)
class Start:
    """
    One start of a run: the first, or one that let it go on.

    :param time: in UTC, as ISO 8601 writes it
    :param command: as it was typed
    :param directory: where it was typed
    :param started_by: user, search, matrix or rerun
    :param step: progress made before, in the learner's unit
    :param origin: commit, versions and machine
    """

    time: str
    command: str
    directory: str
    started_by: str
    step: int
    origin: Mapping[str, str]

    @classmethod
    def now(cls, context: RunContext, step: int, origin: Mapping[str, str]) -> "Start":
        """
        Make the one of this process.

        :param context: how it was started
        :param step: progress made before
        :param origin: commit, versions and machine
        """
        return cls(
            time=datetime.now(UTC).isoformat(timespec="milliseconds"),
            command=command_of(context),
            directory=str(Path.cwd()),
            started_by=SEARCH if context.is_search else os.environ.get(STARTED_BY, USER),
            step=step,
            origin=origin,
        )


def command_of(context: RunContext) -> str:
    """
    Tell the command that started this process, in one line.

    :param context: how it was started; one that goes on is not to be read with all of its config
    """
    goes_on = any(text.startswith("restore=") for text in context.overrides)
    words = [sys.argv[0], *context.overrides] if goes_on else sys.argv
    return " ".join(shlex.join(["python", *map(_unquoted, words)]).splitlines())


def _unquoted(override: str) -> str:
    """Take away the quotes that a path is given for Hydra; a command is quoted for the shell."""
    plain = re.fullmatch(r"(restore|data_dir)='([^'\\]*)'", override)
    return f"{plain[1]}={plain[2]}" if plain else override


def add_start(run_dir: Path, start: Start, *, goes_on: bool) -> None:
    """
    Write a start into the story of its run.

    :param run_dir: folder of the run
    :param start: of this process
    :param goes_on: behind those that were before; else the story begins with it
    """
    before = starts_of(run_dir) if goes_on else []
    content = [asdict(one) for one in [*before, start]]
    atomic_write_text(run_dir / PROVENANCE, json.dumps(content, indent=2) + "\n")


def starts_of(run_dir: Path) -> list[Start]:
    """
    Read a run's story, oldest start first.

    :param run_dir: its folder
    :return: empty if nothing was noted; of a version before, which noted its last start only, that
    """
    path = run_dir / PROVENANCE
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    if isinstance(content, dict):
        return [Start(_written(run_dir), "", "", USER, 0, content)]
    return [Start(**one) for one in content]


def last_start_by_user(run_dir: Path) -> str | None:
    """
    Tell when a user last started a run.

    :param run_dir: its folder
    :return: the time as in ``Start``; None for runs of searches, of the matrix, and reruns
    """
    starts = starts_of(run_dir)
    if not starts:
        return _written(run_dir)
    return max((one.time for one in starts if one.started_by == USER), default=None)


def _written(run_dir: Path) -> str:
    """Tell when a run of a version before this was configured."""
    written = datetime.fromtimestamp((run_dir / CONFIG).stat().st_mtime, UTC)
    return written.isoformat(timespec="milliseconds")
