"""set_paths.sh, sourced as a user would, in bash and zsh."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from interface.resolvers import REPOSITORY

SHELLS = [
    pytest.param(
        shell,
        marks=pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed"),
    )
    for shell in ("bash", "zsh")
]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of what set_paths.sh needs, without any package to install."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    shutil.copy(REPOSITORY / "set_paths.sh", folder)
    (folder / "requirements.txt").write_text("# nothing\n", encoding="utf-8")
    return folder


def source(
    shell: str, clone: Path, then: str, cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME")}
    return subprocess.run(
        [shell, "-c", f'source "{clone}/set_paths.sh"; code=$?; {then}'],
        cwd=cwd or clone.parent,
        env=kept | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_it_makes_an_environment_once(shell: str, clone: Path):
    report = 'echo "$code $MUJOCO_GL $OMP_NUM_THREADS $VIRTUAL_ENV"; type _subgoal_setup'
    first = source(shell, clone, report)
    expected = f"0 egl 1 {clone}/.venv"
    assert first.stdout.splitlines()[0] == expected, first.stderr
    assert "making" in first.stderr
    assert "not found" in first.stdout + first.stderr  # its functions are gone again
    again = source(shell, clone, report, DISPLAY=":0", OMP_NUM_THREADS="3")
    assert again.stdout.splitlines()[0] == f"0  3 {clone}/.venv"
    assert "making" not in again.stderr
    assert "installing" not in again.stderr
    (clone / "requirements.txt").write_text("# changed\n", encoding="utf-8")
    assert "installing" in source(shell, clone, report).stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_an_active_environment_is_used(shell: str, clone: Path, tmp_path: Path):
    active = tmp_path / "active"
    (active / "bin").mkdir(parents=True)
    (active / "bin" / "python").symlink_to(shutil.which("python3"))  # type: ignore[arg-type]
    shutil.copy(clone / "requirements.txt", active / "installed_requirements.txt")
    done = source(shell, clone, 'echo "$code $VIRTUAL_ENV"', VIRTUAL_ENV=str(active))
    assert done.stdout.strip() == f"0 {active}"
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_missing_python_is_one_line_and_the_shell_lives(shell: str, clone: Path, tmp_path: Path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("dirname", "uname", "cmp", shell):
        (tools / tool).symlink_to(shutil.which(tool))  # type: ignore[arg-type]
    done = source(shell, clone, 'echo "alive $code"', PATH=str(tools))
    assert done.stdout.strip() == "alive 1"
    assert done.stderr.strip().splitlines() == [
        "set_paths: needs Python 3.11 or newer (and its venv module); "
        "set PYTHON=/path/to/python3.11"
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_failed_install_is_told_and_tried_again(shell: str, clone: Path):
    (clone / "requirements.txt").write_text("./no_such_package\n", encoding="utf-8")
    for _ in range(2):
        done = source(shell, clone, 'echo "alive $code"')
        assert done.stdout.strip() == "alive 1"
        assert "pip failed" in done.stderr


# makes a wheel with a command, so that no network is needed
BACKEND = """
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(f"{folder}/a-1-py3-none-any.whl", "w") as wheel:
        about = "a-1.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\\nName: a\\nVersion: 1\\n")
        tag = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{about}/WHEEL", tag)
        wheel.writestr(f"{about}/entry_points.txt", "[console_scripts]\\nsubgoal = a:main\\n")
        wheel.writestr(f"{about}/RECORD", "")
    return "a-1-py3-none-any.whl"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_its_own_environment_has_the_command_of_the_clone(shell: str, clone: Path):
    (clone / "backend.py").write_text(BACKEND, encoding="utf-8")
    (clone / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        encoding="utf-8",
    )
    done = source(shell, clone, "command -v subgoal")
    assert done.stdout.strip() == f"{clone}/.venv/bin/subgoal", done.stderr


# what a shell tells a completion when Tab is pressed behind "algo"
TAB = """
line="python experiment/{script} algo"; COMP_LINE="$line"; COMP_WORDS=($line); COMP_CWORD=2
_subgoal_complete; echo "${{COMPREPLY[@]}}"
"""


def interactive(tmp_path: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of an interactive shell, for which nothing has to be installed."""
    shutil.copy(REPOSITORY / "requirements.txt", tmp_path / "installed_requirements.txt")
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"VIRTUAL_ENV": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("script", "found"),
    [("train.py", "algorithm. algorithm= algorithm_name="), ("other.py", "")],
)
def test_tab_completes(script: str, found: str, tmp_path: Path):
    shell = ["bash", "--norc", "-ic", f"source ./set_paths.sh; {TAB.format(script=script)}"]
    done = interactive(tmp_path, *shell, cwd=REPOSITORY)
    assert done.stdout.strip() == found, done.stderr


def test_tab_says_what_it_lacks(tmp_path: Path):
    broken = tmp_path / "experiment" / "train.py"
    broken.parent.mkdir()
    broken.write_text("raise SystemExit(1)\n", encoding="utf-8")
    tab = f'source "{REPOSITORY}/set_paths.sh"; {TAB.format(script="train.py")}'
    done = interactive(tmp_path, "bash", "--norc", "-ic", tab, cwd=tmp_path)
    assert "no completion; what is wrong says: python experiment/train.py --help" in done.stderr


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
@pytest.mark.parametrize("is_on", [True, False])
def test_zsh_completes_where_its_own_completion_is_on(is_on: bool, tmp_path: Path):
    before = "autoload -U compinit; compinit -u -D" if is_on else "true"
    ask = f'{before}; source ./set_paths.sh; echo "$_comps[python]"'
    done = interactive(tmp_path, "zsh", "-fic", ask, cwd=REPOSITORY)
    assert ("_subgoal_complete" in done.stdout) is is_on
    assert ("needs 'autoload -U compinit" in done.stderr) is not is_on
