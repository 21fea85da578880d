"""
The command ``subgoal``: the scripts of ``experiment/``, from any folder.

``subgoal train env=...`` becomes ``python experiment/train.py env=...``. Which commands there are,
and what each does, is read from the scripts themselves; nothing heavy is imported.
"""

import ast
import os
import re
import sys
from pathlib import Path

from interface.errors import UserError, unknown_name

_REPOSITORY = Path(__file__).resolve().parents[2]
_USER_ERROR_EXIT = 2


def scripts() -> dict[str, Path]:
    """
    List the scripts by name.

    :raises UserError: if this is an installed copy, which lacks ``conf/``
    """
    if not (_REPOSITORY / "conf").is_dir():
        raise UserError(f"{_REPOSITORY} is no clone of Subgoal; in the clone: pip install -e .")
    found = sorted((_REPOSITORY / "experiment").glob("*.py"))
    return {path.stem: path for path in found if path.stem != "__init__"}


def script_of(name: str) -> Path:
    """
    Find a script by its name, or by a word that is in no other name.

    :param name: e.g. ``train``, or ``mirror`` for ``comet_mirror``
    :raises UserError: if there is none, naming the nearest
    """
    known = scripts()
    if name in known:
        return known[name]
    with_word = [path for stem, path in known.items() if name in stem.split("_")]
    if len(with_word) != 1:
        raise unknown_name("command", name, known)
    return with_word[0]


def overview() -> str:
    """Tell what each command does, by the first line of its script."""
    lines = [f"  {name:<13} {_first_line(path)}" for name, path in scripts().items()]
    return "\n".join(
        [
            "usage: subgoal <command> [--help] [key=value ...]",
            "",
            *lines,
            "",
            f"Runs go to {_REPOSITORY}/data, wherever they are started; data_dir= changes it.",
        ]
    )


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    line = text.partition("\n")[0].replace("`", "").removesuffix(".")
    return re.sub(r"python experiment/\w+\.py", f"subgoal {path.stem}", line)


def _environment() -> dict[str, str]:
    """Set what set_paths.sh sets: films without a display, and one thread for numpy and MuJoCo."""
    variables = dict(os.environ)
    has_display = variables.get("DISPLAY") or variables.get("WAYLAND_DISPLAY")
    if not has_display and sys.platform != "darwin":
        variables.setdefault("MUJOCO_GL", "egl")
    variables.setdefault("OMP_NUM_THREADS", "1")
    return variables


def main() -> None:
    """Become the script's process, as if it had been started by hand."""
    name, *arguments = sys.argv[1:] or ["--help"]
    try:
        if name in ("-h", "--help", "help"):
            print(overview())  # noqa: T201
            return
        script = script_of(name)
    except UserError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(_USER_ERROR_EXIT)
    os.execve(sys.executable, [sys.executable, str(script), *arguments], _environment())
