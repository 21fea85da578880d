"""The command ``look.py``."""

import hydra
from omegaconf import DictConfig

from experiment.cli.command_line import run_command, user_errors_end_the_command
from experiment.cli.config_groups import CONF


@hydra.main(config_path=str(CONF), config_name="look")
def look(cfg: DictConfig) -> None:
    """Do it; MLflow is imported only when there is something to ask it."""
    from experiment.looking.command import show

    with user_errors_end_the_command():
        show(cfg)


def main() -> None:
    """Run the command."""
    run_command(look, "look")
