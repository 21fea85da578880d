"""The command ``evaluate.py``."""

import hydra
from omegaconf import DictConfig

from experiment.cli.command_line import run_command, user_errors_end_the_command
from experiment.cli.config_groups import CONF
from experiment.cli.context import context_of_hydra


@hydra.main(config_path=str(CONF), config_name="evaluate")
def evaluate(cfg: DictConfig) -> None:
    """Do it; torch and SB3 are imported only now, so that ``--help`` is quick."""
    from experiment.final_test.final_test import run_test

    with user_errors_end_the_command():
        run_test(cfg, context_of_hydra().choices.get("algorithm"))


def main() -> None:
    """Run the command."""
    run_command(evaluate, "evaluate")
