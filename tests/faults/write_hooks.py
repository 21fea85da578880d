"""Let something happen at the k-th write or rename below a folder, within a fork."""

import atexit
import builtins
import errno
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path


class Writes:
    """
    Counts opens for writing and renames below a folder.

    :param folder: whose files count
    :param at: called at this one, counted from 1; 0: at none
    :param action: what happens then; called with the path
    """

    def __init__(self, folder: Path, at: int, action: Callable[[str], None]) -> None:
        self._folder, self._at, self._action = str(folder), at, action
        self.count = 0

    def install(self) -> None:
        """Patch this process."""
        real_open, real_replace = builtins.open, os.replace

        def open_(file, mode="r", *arguments, **options):
            if any(letter in mode for letter in "wax+"):
                self._note(file)
            return real_open(file, mode, *arguments, **options)

        def replace(source, target, **options):
            self._note(target)
            return real_replace(source, target, **options)

        for owner, name in ((builtins, "open"), (io, "open"), (os, "replace"), (os, "rename")):
            vars(owner)[name] = open_ if name == "open" else replace

    def _note(self, path: object) -> None:
        if isinstance(path, str | os.PathLike) and str(path).startswith(self._folder):
            self.count += 1
            if self.count == self._at:
                self._action(str(path))


def die_at(at: int, folder: Path) -> None:
    """Kill this process at a write, or with ``at=0`` note how many there are."""
    writes = Writes(folder, at, lambda path: os.kill(os.getpid(), signal.SIGKILL))
    writes.install()
    if at == 0:
        count = folder.with_name("count")
        atexit.register(lambda: count.write_text(str(writes.count), encoding="utf-8"))


def full_disk_from(at: int, folder: Path) -> None:
    """Let every write from this one on find no space."""

    def no_space(path: str) -> None:
        writes._at += 1  # and the next one, too
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    writes = Writes(folder, at, no_space)
    writes.install()
