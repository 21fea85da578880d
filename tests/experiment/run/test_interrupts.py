"""Signals and kills: what was done is kept, and the run goes on."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from experiment.run_folder.checkpoint import read_meta
from experiment.run_folder.metric_history import read_csv
from interface.metrics import EVAL_SUCCESS_RATE
from interface.resolvers import REPOSITORY
from tests.running import TINY_HER, forked_command

LONG = [*[text for text in TINY_HER if text != "tracking=none"], "n_epochs=200"]


class RunningCommand:
    """A training command in a process of its own."""

    def __init__(self, tmp_path: Path, store: list[str]):
        self.data_dir = tmp_path / "data"
        self.log = tmp_path / "console.txt"
        with self.log.open("w", encoding="utf-8") as console:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "experiment/train.py",
                    *LONG,
                    *store,
                    f"data_dir={self.data_dir}",
                ],
                cwd=REPOSITORY,
                stdout=console,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, text: str, timeout: float = 60) -> None:
        end = time.monotonic() + timeout
        while text not in self.log.read_text(encoding="utf-8"):
            assert time.monotonic() < end, self.log.read_text(encoding="utf-8")
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            time.sleep(0.05)

    @property
    def run_dir(self) -> Path:
        (path,) = self.data_dir.rglob("config.yaml")
        return path.parent


@pytest.fixture
def running(tmp_path: Path, store: list[str]):
    running = RunningCommand(tmp_path, store)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def the_run(tmp_path: Path):
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return client, run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.faults(1)
def test_a_signal_ends_in_order(number, running: RunningCommand, tmp_path: Path):
    running.wait_for("epoch 1/200")
    time.sleep(0.5)
    running.process.send_signal(number)
    assert running.process.wait(timeout=30) == 130
    _, run = the_run(tmp_path)
    assert run.info.status == "KILLED"
    console = running.log.read_text(encoding="utf-8")
    assert f"{running.run_dir}" in console
    assert read_meta(running.run_dir / "last.zip").step > 150  # the first epoch's end


@pytest.mark.faults(2)
def test_a_second_signal_ends_at_once(running: RunningCommand):
    running.wait_for("epoch 1/200")
    running.process.send_signal(signal.SIGSTOP)
    running.process.send_signal(signal.SIGINT)
    running.process.send_signal(signal.SIGTERM)
    running.process.send_signal(signal.SIGCONT)
    assert running.process.wait(timeout=30) not in (0, None)


@pytest.mark.faults(1)
def test_a_killed_run_goes_on_as_one_run(running: RunningCommand, tmp_path: Path):
    running.wait_for("epoch 2/200")
    time.sleep(random.Random(os.getpid()).uniform(0, 1))
    running.process.kill()
    running.process.wait()
    before = read_csv(running.run_dir / "evaluations.csv").epochs
    saved = read_meta(running.run_dir / "last.zip").epoch
    assert saved >= len(before) - 1
    n_epochs = len(before) + 2
    done = forked_command(
        "experiment/train.py",
        "restore=latest",
        f"n_epochs={n_epochs}",
        f"data_dir={running.data_dir}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    after = read_csv(running.run_dir / "evaluations.csv").epochs
    assert after[:saved] == before[:saved]
    assert [epoch.step for epoch in after] == [150 * (i + 1) for i in range(n_epochs)]
    client, run = the_run(tmp_path)
    assert run.info.status == "FINISHED"
    steps = {m.step for m in client.get_metric_history(run.info.run_id, EVAL_SUCCESS_RATE)}
    assert steps == {epoch.step for epoch in after}


def test_a_diverged_run_exits_non_zero(tmp_path: Path):
    done = forked_command(
        "experiment/train.py",
        *TINY_HER,
        f"data_dir={tmp_path}",
        "algorithm.learners.sac.learning_rate=1e30",
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "diverged" in done.stdout
    assert "Traceback" not in done.stderr
