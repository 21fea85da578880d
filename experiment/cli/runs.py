"""The command ``runs.py``."""

import hydra
from omegaconf import DictConfig

from experiment.cli.command_line import run_command, user_errors_end_the_command
from experiment.cli.config_groups import CONF
from experiment.cli.context import context_of_hydra


@hydra.main(config_path=str(CONF), config_name="runs")
def runs(cfg: DictConfig) -> None:
    """Do it; MLflow is imported only where the store is asked, so that a list is quick."""
    from experiment.run_list.command import look_after

    with user_errors_end_the_command():
        look_after(cfg, context_of_hydra().choices)


def main() -> None:
    """Run the command."""
    run_command(runs, "runs")
