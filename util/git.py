"""Ask git about a checkout."""

import subprocess
from pathlib import Path


def git(checkout: Path, *arguments: str) -> str | None:
    """
    Run git in a checkout.

    :param checkout: its folder
    :param arguments: of git
    :return: what it wrote; None if there is no git or no commit
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=checkout,
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode("utf-8", "surrogateescape")  # ends of lines as they are
