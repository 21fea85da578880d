"""The process of a script: it has a group of its own, of which nothing is left behind."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from util.parent import ends_with_its_parent
from util.process_group import end_group

OUTPUT, ERRORS = "output.log", "error.log"


@contextmanager
def script_process(
    command: Sequence[str], log_dir: Path, cwd: Path, grace_seconds: float
) -> Iterator[subprocess.Popen[bytes]]:
    """
    Run a script within the block; what runs at its end is told to end, and then killed.

    :param command: program and arguments
    :param log_dir: for what the script says
    :param cwd: its working directory
    :param grace_seconds: between SIGTERM and SIGKILL
    """
    with (log_dir / OUTPUT).open("wb") as output, (log_dir / ERRORS).open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for the search, which ends its runs in order
            preexec_fn=ends_with_its_parent(),
        )
    try:
        yield process
    finally:
        end_group(process, grace_seconds)


def last_error(log_dir: Path) -> str:
    """
    Read what a script said last on its standard error.

    :param log_dir: of the script
    :return: a line; empty if it said nothing
    """
    text = (log_dir / ERRORS).read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if any(map(str.isalnum, line))), "")
