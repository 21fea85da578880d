"""The command ``train.py``."""

import hydra
from hydra.utils import UNSAFE_DISABLE_EXECUTION_CHECKS
from omegaconf import DictConfig

from experiment.cli.command_line import end_single_run, run_command
from experiment.cli.config_groups import CONF
from experiment.cli.context import context_of_hydra
from experiment.cli.early_signals import end_at_once_on_signals
from interface.result import RunResult


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
    run_command(train, "main")
