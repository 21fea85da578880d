"""Write a file so that a reader, or a killed writer, never leaves half of it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """
    Give a temporary path to write to; at the end it takes the place of ``path`` in one step.

    If the block raises, ``path`` keeps its old content and the temporary file is removed.

    :param path: the file to replace; its folder must exist
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_text(path: Path, text: str) -> None:
    """
    Replace the content of a text file in one step.

    :param path: the file to replace; its folder must exist
    :param text: its new content
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
