"""Environments whose episodes do not end by themselves."""

import signal
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from experiment.run_folder.metric_history import read_csv
from tests.faults.forks import ForkedCommand
from tests.running import TINY


class Endless(gym.Env):
    """Walk on a line for ever; a success until the walker is ended."""

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), -1.0, False, False, {"is_success": True}


def register() -> None:
    gym.register("Endless-v0", entry_point="tests.experiment.run.test_endless:Endless")


RUN = ["env=Endless-v0", "algorithm=sac", *TINY[1:], "algorithm.buffer_size=500", "n_threads=1"]


def start(folder: Path, *overrides: str) -> ForkedCommand:
    arguments = [*RUN, *overrides, f"hydra.run.dir={folder}/run"]
    return ForkedCommand("experiment/train.py", *arguments, folder=folder, before=register)


@pytest.mark.parametrize("overlap", ["true", "false"])
def test_an_endless_environment_trains_and_is_tested(overlap: str, tmp_path: Path):
    fork = start(tmp_path, "max_evaluation_steps=20", f"overlap={overlap}")
    assert fork.wait() == 0, fork.stderr
    for epoch in read_csv(tmp_path / "run" / "evaluations.csv").epochs:
        assert epoch.values["eval/length"] == 20
        assert epoch.values["eval/success_rate"] == 0
    assert fork.stdout.count("did not end within 20 steps") == 1


@pytest.mark.faults(1)
def test_a_signal_ends_an_evaluation(tmp_path: Path):
    fork = start(tmp_path, "max_evaluation_steps=100000000", "overlap=false")
    fork.wait_for("run directory")
    time.sleep(1)
    fork.kill(signal.SIGTERM)
    assert fork.wait(30) == 130, fork.stderr
    assert "go on:" in fork.stdout
