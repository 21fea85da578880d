"""Run the project's commands, in this process or as a user would."""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict, read_write

from interface.resolvers import REPOSITORY
from interface.result import TrialResult

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


def train(output_dir: Path, *overrides: str) -> TrialResult:
    """Train in this process."""
    from experiment.trial import run_trial

    output_dir.mkdir(parents=True, exist_ok=True)
    with hydra_main(list(overrides), output_dir) as cfg:
        return run_trial(cfg)


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


def forked_command(
    folder: Path, script: str, *arguments: str, timeout: float = 100
) -> subprocess.CompletedProcess[str]:
    """
    Run a Python script in a fork of a process that has imported torch and SB3: no start-up time.

    :param folder: where its output is kept meanwhile
    """
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["experiment.trial", "mlflow", "sb3_contrib"])
    output, errors = folder / "stdout", folder / "stderr"
    child = forks.Process(target=_as_main, args=(script, arguments, output, errors))
    child.start()
    child.join(timeout)
    assert child.exitcode is not None, f"{script} still runs after {timeout} s"
    return subprocess.CompletedProcess(
        [script, *arguments], child.exitcode, output.read_text(), errors.read_text()
    )


def _as_main(script: str, arguments: Sequence[str], output: Path, errors: Path) -> None:
    os.environ["COLUMNS"] = "200"
    for path, descriptor in ((output, 1), (errors, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.argv = [script, *arguments]
    runpy.run_path(str(REPOSITORY / script), run_name="__main__")
