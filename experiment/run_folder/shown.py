"""Paths and commands as the console shows them: they can be pasted where this one was started."""

import shlex
from pathlib import Path

from interface.resolvers import REPOSITORY


def shown(path: Path) -> Path:
    """
    Shorten a path for the console: relative to the working directory if it lies there.

    :param path: absolute
    """
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def command(script: str, *arguments: str, anywhere: bool = False) -> str:
    """
    Write a command that can be pasted where this one was started.

    :param script: in ``experiment/``, without suffix
    :param arguments: of the script
    :param anywhere: or in any other folder of this machine
    """
    path = REPOSITORY / "experiment" / f"{script}.py"
    return shlex.join(["python", str(path if anywhere else shown(path)), *arguments])
