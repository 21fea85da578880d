"""Run the project's commands, in this process or as a user would."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict, read_write

from interface.resolvers import REPOSITORY
from interface.result import RunResult
from tests.faults.forks import ForkedCommand

CONF = REPOSITORY / "conf"

# a run of a second: the toy environment, small networks, nothing tracked
TINY = [
    "env=PointReach-v0",
    "policy=small",
    "preset=none",
    "tracking=none",
    "tensorboard=false",
    "n_epochs=2",
    "eval_after_n_steps=150",
    "n_test_rollouts=3",
    "seed=1",
]
TINY_HER = [*TINY, "algorithm.learners.sac.buffer_size=1000"]


@contextmanager
def hydra_main(
    overrides: list[str], output_dir: Path, config_name: str = "main"
) -> Iterator[DictConfig]:
    """Compose a command's config as ``hydra.main`` does."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF)):
        cfg = compose(config_name, overrides=overrides, return_hydra_config=True)
        with read_write(cfg), open_dict(cfg):
            cfg.hydra.runtime.output_dir = str(output_dir)
        HydraConfig.instance().set_config(cfg)
        with read_write(cfg), open_dict(cfg):
            del cfg["hydra"]
        yield cfg


def train(output_dir: Path, *overrides: str) -> RunResult:
    """Train in this process."""
    from experiment.cli.context import context_of_hydra
    from experiment.run.run import train_run

    output_dir.mkdir(parents=True, exist_ok=True)
    with hydra_main(list(overrides), output_dir) as cfg:
        return train_run(cfg, context_of_hydra())


def command(
    *arguments: str, cwd: Path = REPOSITORY, env: dict[str, str] | None = None, timeout: float = 100
) -> subprocess.CompletedProcess[str]:
    """Run a Python command and collect its output."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200"} | (env or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def without_repository(folder: Path, program: str, *arguments: str) -> str:
    """Run a program where nothing of this repository can be imported; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def forked_command(
    script: str, *arguments: str, env: dict[str, str] | None = None, timeout: float = 100
) -> subprocess.CompletedProcess[str]:
    """Do the same in a fork of a process that has imported torch and SB3: without start-up time."""
    with tempfile.TemporaryDirectory() as folder:
        started = ForkedCommand(script, *arguments, folder=Path(folder), env=env)
        return started.completed(timeout)
