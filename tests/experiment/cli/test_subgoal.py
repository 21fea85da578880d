"""The command ``subgoal``, from any folder."""

import importlib
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from experiment.cli import subgoal
from interface.errors import UserError
from interface.resolvers import REPOSITORY
from tests.running import command

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
MODULE, _, FUNCTION = PYPROJECT["project"]["scripts"]["subgoal"].partition(":")
PROGRAM = f"from {MODULE} import {FUNCTION}; {FUNCTION}()"


def started(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start it as the installed one starts, in another folder."""
    return command("-c", PROGRAM, *arguments, cwd=folder, env={"PYTHONPATH": str(REPOSITORY)})


def test_the_entry_point_is_a_function():
    assert getattr(importlib.import_module(MODULE), FUNCTION) is subgoal.main


@pytest.mark.parametrize("name", subgoal.scripts())
def test_each_command_runs_from_any_folder(name: str, tmp_path: Path):
    done = started(tmp_path, name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not list(tmp_path.iterdir())


def test_it_becomes_the_script_where_numpy_has_one_thread_and_films_need_no_display(
    monkeypatch: pytest.MonkeyPatch,
):
    calls = []
    monkeypatch.setattr(os, "execve", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(sys, "argv", ["subgoal", "plot", "envs=[A]", "--help"])
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    subgoal.main()
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    subgoal.main()
    script = str(REPOSITORY / "experiment" / "plot.py")
    for program, command_line, _ in calls:
        assert (program, command_line[1:]) == (sys.executable, [script, "envs=[A]", "--help"])
    (_, _, without), (_, _, with_display) = calls
    assert (without["MUJOCO_GL"], without["OMP_NUM_THREADS"]) == ("egl", "1")
    assert ("MUJOCO_GL" in with_display, with_display["OMP_NUM_THREADS"]) == (False, "3")


def test_the_overview_has_a_line_for_each_script_and_loads_nothing_heavy(tmp_path: Path):
    program = f"{PROGRAM}; import sys; print('omegaconf' in sys.modules, 'numpy' in sys.modules)"
    done = command("-c", program, cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)})
    *lines, heavy = done.stdout.splitlines()
    assert heavy == "False False"
    for path in (REPOSITORY / "experiment").glob("[!_]*.py"):
        (line,) = [line for line in lines if line.startswith(f"  {path.stem} ")]
        assert len(line.split()) > 1


def test_a_name_is_found_or_the_nearest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert subgoal.script_of("mirror").name == "comet_mirror.py"
    monkeypatch.setattr(sys, "argv", ["subgoal", "evaluat"])
    with pytest.raises(SystemExit, match="2"):
        subgoal.main()
    assert capsys.readouterr().err == "unknown command 'evaluat'; did you mean evaluate?\n"
    monkeypatch.setattr(subgoal, "_REPOSITORY", tmp_path)
    with pytest.raises(UserError, match=r"is no clone of Subgoal; in the clone: pip install -e \."):
        subgoal.script_of("train")
    monkeypatch.setattr(sys, "argv", ["subgoal"])
    with pytest.raises(SystemExit, match="2"):
        subgoal.main()
    assert capsys.readouterr().err.startswith(f"{tmp_path} is no clone")


@pytest.mark.readme
def test_an_editable_install_brings_the_command(tmp_path: Path):
    """In a copy, so that nothing is written here; the packages are those of this environment."""
    clone = tmp_path / "a clone"
    for name in PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]:
        folder = name.rstrip("*")
        shutil.copytree(REPOSITORY / folder, clone / folder)
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt"):
        shutil.copy(REPOSITORY / name, clone)
    shutil.copytree(REPOSITORY / "conf", clone / "conf")
    venv.create(tmp_path / "venv", symlinks=True)
    sites = [path for path in sys.path if path.endswith("site-packages")]
    (own,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (own / "tests.pth").write_text("\n".join(sites), encoding="utf-8")
    python = tmp_path / "venv" / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "-e", clone],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = subprocess.run(
        [python.with_name("subgoal"), "train", "--cfg", "job", "--resolve"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"data_dir: {clone}/data" in " ".join(ran.stdout.split()), ran.stderr
