"""MLflow's own pages on a store, by a process that ends with ours."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from interface.errors import UserError
from interface.resolvers import REPOSITORY
from util.parent import ends_with_its_parent
from util.process_group import end_group

_ANSWER_SECONDS = 5.0
_END_SECONDS = 10.0
_LOOK_SECONDS = 0.2
# MLflow's jobs are those of GenAI: seven processes that would stand beside the training.
_NO_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def shows(server: str, run: str) -> bool:
    """
    Tell whether a server shows the store that a run is in.

    :param server: its address
    :param run: id of the store's newest run
    """
    try:
        answer = answer_of(f"{server}/api/2.0/mlflow/runs/get?run_id={run}")
        return bool(json.loads(answer)["run"]["info"]["run_id"] == run)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False  # another store, or another program


def answer_of(url: str) -> bytes:
    """
    Ask a server.

    :param url: of this machine
    """
    with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as answer:
        return bytes(answer.read())


class MlflowServer:
    """
    ``mlflow ui``, started.

    :param process: that leads its group
    :param output: what it says
    """

    def __init__(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        self._process, self._output = process, output

    def check_lives(self) -> None:
        """
        Make sure that it has not ended.

        :raises UserError: with the last that it said
        """
        if self._process.poll() is None:
            return
        self._output.seek(0)
        said = self._output.read().decode(errors="replace").strip().splitlines()
        raise UserError(f"mlflow ui ended: {said[-1] if said else 'it did not say why'}")

    def wait_until_it_answers(
        self, server: str, timeout_seconds: float, is_over: Callable[[], bool]
    ) -> None:
        """
        Wait.

        :param server: its address
        :param timeout_seconds: how long at most
        :param is_over: tells whether nobody wants it any more
        :raises UserError: if it ended, or takes longer
        """
        end = time.monotonic() + timeout_seconds
        while not is_over():
            self.check_lives()
            with suppress(OSError, http.client.HTTPException):
                answer_of(f"{server}/health")
                return
            if time.monotonic() > end:
                raise UserError(
                    f"mlflow ui did not answer within start_timeout_seconds={timeout_seconds:g}"
                )
            time.sleep(_LOOK_SECONDS)


@contextmanager
def mlflow_server(uri: str, host: str, port: int) -> Iterator[MlflowServer]:
    """
    Run ``mlflow ui`` for the block, with all processes that it starts.

    :param uri: of a database
    :param host: to listen to
    :param port: to listen to
    """
    options = ["--backend-store-uri", uri, "--host", host, "--port", str(port), "--workers", "1"]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "ui", *options],
            cwd=REPOSITORY,  # where a bare `mlflow ui` would find its artifacts
            env=os.environ | _NO_JOBS,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us: we end it in order
            preexec_fn=ends_with_its_parent(),
        )
        try:
            yield MlflowServer(process, output)
        finally:
            end_group(process, _END_SECONDS)
