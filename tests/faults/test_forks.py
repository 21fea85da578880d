"""Forked commands end as real ones do."""

import signal
from pathlib import Path

import pytest

from tests.faults.forks import ForkedCommand
from tests.running import TINY_HER

LONG = [*TINY_HER, "n_epochs=1000"]


def test_exit_codes_and_output(tmp_path: Path):
    done = ForkedCommand("experiment/train.py", "seed=no", folder=tmp_path).completed()
    assert done.returncode == 2
    assert "seed" in done.stderr


def test_modules_are_commands_too(tmp_path: Path):
    done = ForkedCommand("-m", "interface.parameter_table", "her", folder=tmp_path).completed()
    assert done.returncode == 0
    assert "learning_rate" in done.stdout


@pytest.mark.parametrize("whole_group", [False, True])
def test_kills(whole_group: bool, tmp_path: Path):
    fork = ForkedCommand("experiment/train.py", *LONG, f"data_dir={tmp_path}", folder=tmp_path)
    fork.wait_for("epoch 1/1000")
    (fork.killpg if whole_group else fork.kill)()
    assert fork.wait() == -signal.SIGKILL
