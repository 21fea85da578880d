"""The command ``train.py``."""

import sys
import time

import hydra
from hydra.utils import UNSAFE_DISABLE_EXECUTION_CHECKS
from omegaconf import DictConfig

from experiment.cli.command_line import end_single_run, run_command
from experiment.cli.config_groups import CONF
from experiment.cli.context import context_of_hydra
from experiment.cli.early_signals import end_at_once_on_signals
from interface.result import RunResult

# flags that start runs; others only show something
_STARTING = ("--multirun", "-m", "--plan")


# a config is as trusted as code
@hydra.main(
    config_path=str(CONF),
    config_name="main",
    execution_whitelist=UNSAFE_DISABLE_EXECUTION_CHECKS,
)
def train(cfg: DictConfig) -> RunResult:
    """Make one run; torch and SB3 are imported only now, so that ``--help`` is quick."""
    from experiment.run.run import train_run

    context = context_of_hydra()
    return end_single_run(context, lambda: train_run(cfg, context))


def main() -> None:
    """Run the command."""
    end_at_once_on_signals()
    if all(text in _STARTING for text in sys.argv[1:] if text.startswith("-")):
        now = time.strftime("%H:%M:%S")  # logging is not configured yet
        print(f"{now} INFO starting; to import torch takes some seconds", flush=True)  # noqa: T201
    run_command(train, "main")
