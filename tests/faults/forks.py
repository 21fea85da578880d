"""
Start our commands in forks of a process that has imported everything: a tenth of a start's cost.

A command started here is what a user's would be: it has a session and a process group of its own,
its output goes to files, and it ends with the exit code of a real one.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from interface.resolvers import REPOSITORY

_PRELOADED = [
    "experiment.run.run",
    "experiment.final_test.final_test",
    "experiment.launching.launches",
    "experiment.mirroring.command",
    "experiment.regression.command",
    "mlflow.store.tracking.sqlalchemy_store",
    "optuna",
    "sb3_contrib",
    "tests.faults.preload",
]


class ForkedCommand:
    """
    A command that runs in a fork.

    :param script: path in the repository, or ``-m`` with a module as the first argument
    :param arguments: of the script
    :param folder: where its output is kept, as ``stdout`` and ``stderr``; appended to
    :param cwd: its working directory
    :param env: variables to set
    :param before: called in the fork before the script, e.g. to break something; can be pickled
    """

    def __init__(
        self,
        script: str,
        *arguments: str,
        folder: Path,
        cwd: Path = REPOSITORY,
        env: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.stdout_path, self.stderr_path = folder / "stdout", folder / "stderr"
        self._name = " ".join((script, *arguments))
        forks = multiprocessing.get_context("forkserver")
        forks.set_forkserver_preload(_PRELOADED)
        outputs = (self.stdout_path, self.stderr_path)
        variables = {"COLUMNS": "200"} | dict(env or {})
        self._process = forks.Process(
            target=_as_main, args=(script, arguments, outputs, cwd, variables, before)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        while self.returncode is None and os.getpgid(self.pid) != self.pid:
            time.sleep(0.001)

    @property
    def returncode(self) -> int | None:
        """The exit code, negative after a signal; None while it runs."""
        return self._process.exitcode

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return self.stdout_path.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """What it has said on stderr so far."""
        return self.stderr_path.read_text(encoding="utf-8")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process alone, if it still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def killpg(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to its process group, e.g. also to its environments' processes."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            assert self.wait(1) is not None

    def wait(self, timeout: float = 100) -> int:
        """
        Wait for its end.

        :param timeout: seconds; then it is killed, and that is an error
        :return: the exit code
        """
        self._process.join(timeout)
        if self.returncode is None:
            self.killpg()
            self._process.join()
            raise AssertionError(f"{self._name} still ran after {timeout} s:\n{self.stderr}")
        return self.returncode

    def wait_for(self, text: str, timeout: float = 60) -> None:
        """Wait until it has printed something."""
        end = time.monotonic() + timeout
        while text not in self.stdout:
            assert self.returncode is None, self.stdout + self.stderr
            assert time.monotonic() < end, self.stdout + self.stderr
            time.sleep(0.01)

    def completed(self, timeout: float = 100) -> subprocess.CompletedProcess[str]:
        """Wait for its end, and answer as ``subprocess.run`` does."""
        code = self.wait(timeout)
        return subprocess.CompletedProcess(self._name, code, self.stdout, self.stderr)


def _as_main(
    script: str,
    arguments: Sequence[str],
    outputs: tuple[Path, Path],
    cwd: Path,
    variables: Mapping[str, str],
    before: Callable[[], None] | None,
) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == 2 else signal.SIG_DFL)
    os.environ.update(variables)
    sys.path[:0] = [part for part in variables.get("PYTHONPATH", "").split(os.pathsep) if part]
    os.chdir(cwd)
    for path, descriptor in zip(outputs, (1, 2), strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    os.setsid()
    try:
        if before is not None:
            before()
        _run(script, arguments)
    except KeyboardInterrupt:  # as the interpreter does
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        # as the interpreter does before it ends: pools of workers end
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()


def _run(script: str, arguments: Sequence[str]) -> None:
    if script == "-m":
        sys.argv = [arguments[0], *arguments[1:]]
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        return
    path = REPOSITORY / script
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")
