"""
The first hour of a new user: ``python tests/benchmarks/first_hour.py``.

Clones what is committed here into a folder of its own, where nothing is installed, and does 24
tasks by commands that it finds in the READMEs, each once. A task whose command is in no README
fails, as does one that ends with an error or does not leave what was wanted. Look-ups are pages to
open beside README.md. ``--folder`` keeps the clone, and ``--only train film`` does some tasks in
it; exit code 1 if a task fails.
"""

import argparse
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY)

from tests.benchmarks.first_hour_outcomes import Outcome  # noqa: E402
from tests.benchmarks.first_hour_tasks import ROOT, TASKS, Task  # noqa: E402
from tests.readmes import commands_of, write_packages  # noqa: E402

# what the shell of somebody who works on this repository has, and a new user's has not
_OURS = ("VIRTUAL_ENV", "PYTHONPATH", "MUJOCO_GL", "OMP_NUM_THREADS", "DISPLAY", "WAYLAND_DISPLAY")
_SOURCED = "source ./set_paths.sh"
_TAB_SECONDS = 30


class Desk(NamedTuple):
    """Where a user works: in a clone, or elsewhere."""

    clone: Path
    elsewhere: Path

    def environment(self) -> dict[str, str]:
        """Make that of a shell in which nothing of this repository is active."""
        kept = {key: value for key, value in os.environ.items() if key not in _OURS}
        active = str(Path(os.environ.get("VIRTUAL_ENV", "/none")) / "bin")
        kept["PATH"] = ":".join(path for path in kept["PATH"].split(":") if path != active)
        return kept | {"PYTHONPATH": str(self.elsewhere)}

    def start(self, line: str, place: str) -> subprocess.Popen[str]:
        """Start a command in a shell that has sourced set_paths.sh."""
        sourced = f"source {shlex.quote(str(self.clone / 'set_paths.sh'))}"
        return subprocess.Popen(
            ["bash", "-c", sourced if line == _SOURCED else f"{sourced} && exec {line}"],
            cwd=getattr(self, place),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def press_tab(self, line: str) -> str:
        """Type a command up to the middle of its last value, press Tab; return what is added."""
        typed = line[: -(len(line.rpartition("=")[2]) // 2)]
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.clone)
            os.execvpe("bash", ["bash", "--norc", "-i"], self.environment() | {"TERM": "dumb"})
        os.write(terminal, f"{_SOURCED}; echo 'rea'dy\n".encode())
        _read_until(terminal, "ready\r\n")
        os.write(terminal, typed.encode())
        _read_until(terminal, typed[-10:])
        os.write(terminal, b"\t")
        added = _read_until(terminal, line[len(typed) :])
        os.close(terminal)
        os.waitpid(child, 0)
        return typed + added


def _read_until(terminal: int, words: str) -> str:
    """Read what a terminal shows until words come."""
    shown = ""
    while words not in shown:
        if not select.select([terminal], [], [], _TAB_SECONDS)[0]:
            raise TimeoutError(f"the terminal shows {shown!r}, and not {words!r}")
        shown += os.read(terminal, 1000).decode()
    return shown


def typed(task: Task) -> str:
    """Write the command with the task's values."""
    words = shlex.split(task.command)
    for value in task.values:
        key = value.partition("=")[0] + "="
        if any(word.startswith(key) for word in words):
            words = [value if word.startswith(key) else word for word in words]
        else:
            words.append(value)
    return shlex.join(words)


def is_said(task: Task, clone: Path) -> bool:
    """Tell whether the page has the command, and README.md leads to the page."""
    root = (clone / ROOT).read_text(encoding="utf-8")
    lines = [line.partition("#")[0].strip() for line in commands_of(clone / task.page)]
    commands = [command for line in lines for command in line.split(" && ")]
    folder = task.page.removesuffix("README.md")
    return task.command in commands and (task.page == ROOT or folder in root)


def do(task: Task, desk: Desk, since: float) -> str:
    """Do a task as its page says; return what came of it."""
    if not is_said(task, desk.clone):
        raise LookupError(f"{task.page} does not say: {task.command}")
    line = typed(task)
    if task.how == "tab":
        return task.shows(Outcome(desk.clone, since, desk.press_tab(line)))
    shell = desk.start(line, task.place)
    assert shell.stdout is not None
    said = ""
    for words in shell.stdout:
        said += words
        if task.how == "page" and words == "Ctrl-C ends it\n":
            try:
                found = task.shows(Outcome(desk.clone, since, said))
            finally:
                shell.send_signal(signal.SIGINT)
    if shell.wait() != 0:
        raise RuntimeError(f"exit code {shell.returncode}:\n{said[-2000:]}")
    return found if task.how == "page" else task.shows(Outcome(desk.clone, since, said))


def prepare(task: Task, desk: Desk) -> Task:
    """Do what the user does beside the command: paste what a page shows, move a run."""
    if task.pastes:
        write_packages(getattr(desk, task.pastes))
    if task.moves:
        runs = (desk.clone / "data").glob(task.moves)
        moved = max(runs, key=lambda path: path.stat().st_mtime)
        there = moved.rename(desk.elsewhere / "moved")
        return replace(task, values=(*task.values, f"run={there}"))
    return task


def row(task: Task, desk: Desk) -> tuple[str, bool]:
    """Do a task; write its row, and tell whether it was done."""
    task = prepare(task, desk)
    begin, since = time.monotonic(), time.time()
    try:
        found, is_done = do(task, desk, since), True
    except Exception as error:  # noqa: BLE001 (whatever goes wrong is the result)
        found, is_done = str(error).partition("\n")[0], False
        print(f"{task.name}: {error!r}\n{error}", file=sys.stderr)
    seconds = time.monotonic() - begin
    given = f", with `{' '.join(task.values)}`" if task.values else ""
    shown = f"`{task.command}`{given}".replace("|", "\\|").replace(
        str(desk.elsewhere), "<elsewhere>"
    )
    n_pages = int(task.page != ROOT)
    first = "yes" if is_done else "NO"
    cells = [task.name, task.page, shown, str(n_pages), "1", first, f"{seconds:.1f}", found]
    return f"| {' | '.join(cells)} |", is_done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [task.name for task in TASKS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="task")
    parser.add_argument("--folder", type=Path, help="keep the clone here, or go on in it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (arguments.folder or Path(scratch)).resolve()
        desk = Desk(folder / "subgoal", folder / "elsewhere")
        if not desk.clone.exists():
            desk.elsewhere.mkdir(parents=True)
            subprocess.run(["git", "clone", "-q", REPOSITORY, desk.clone], check=True)
        print("| task | page | command | look-ups | commands | first try | seconds | found |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        done = []
        for task in TASKS:
            if task.name in arguments.only:
                line, is_done = row(task, desk)
                print(line, flush=True)
                done.append(is_done)
    print(f"\n{sum(done)} of {len(done)} at the first try")
    return int(not all(done))


if __name__ == "__main__":
    sys.exit(main())
