"""Write a file so that a reader, or a killed writer, never leaves half of it."""

import glob
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """
    Give a temporary path to write to; at the end it takes the place of ``path`` in one step.

    If the block raises, ``path`` keeps its old content and the temporary file is removed. What a
    killed process of this host left of the same file goes, too.

    :param path: the file to replace; its folder must exist
    """
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove what writers of the same file left when they were killed."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.*.tmp"):
        pid = leftover.name.split(".")[-3]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            leftover.unlink(missing_ok=True)


def atomic_write_text(path: Path, text: str) -> None:
    """
    Replace the content of a text file in one step.

    :param path: the file to replace; its folder must exist
    :param text: its new content
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
