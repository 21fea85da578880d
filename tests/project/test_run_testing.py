"""run_testing.sh with stand-ins for the tools: what it calls, with which files."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from interface.resolvers import REPOSITORY
from util.git import git

TOOLS = ("ruff", "mypy", "shellcheck", "codespell", "python")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A git repository with the script, a module that git knows and a user's own."""
    folder = tmp_path / "clone"
    folder.mkdir()
    shutil.copy(REPOSITORY / "run_testing.sh", folder)
    for name in ("known.py", "a name.py", "gone.py", "notes.md"):
        (folder / name).touch()
    git(folder, "init", "-q")
    git(folder, "add", ".")
    (folder / "gone.py").unlink()
    (folder / "mine.py").touch()
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).write_text('#!/bin/sh\nprintf "%s" "${0##*/}"; printf "|%s" "$@"; echo\n')
        (tools / tool).chmod(0o755)
    return folder


def said(clone: Path, *arguments: str) -> list[str]:
    path = f"{clone.parent / 'tools'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["./run_testing.sh", *arguments],
        cwd=clone,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_lint_leaves_a_users_own_files_alone(clone: Path):
    assert said(clone, "-t", "lint") == [
        "ruff|format|--check|a name.py|known.py",
        "ruff|check|a name.py|known.py",
        "mypy|a name.py|known.py",
        "shellcheck|run_testing.sh",
        "codespell|a name.py|known.py|notes.md|run_testing.sh",
    ]


def test_which_matrix_is_called(clone: Path):
    first, call = said(clone)
    assert "the performance matrix; other checks: ./run_testing.sh -h" in first
    assert call == "python|-m|experiment.regression"
    assert said(clone, "--list") == ["python|-m|experiment.regression|--list"]
    (call,) = said(clone, "-p", "2", "-t", "function")
    assert call == "python|-m|experiment.regression|-p|2|-t|function"
