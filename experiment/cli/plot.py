"""The command ``plot.py``."""

import gc

import hydra
from omegaconf import DictConfig

from experiment.cli.command_line import run_command, user_errors_end_the_command
from experiment.cli.config_groups import CONF


@hydra.main(config_path=str(CONF), config_name="plot")
def plot(cfg: DictConfig) -> None:
    """Do it; matplotlib is imported only now, so that ``--help`` is quick."""
    gc.disable()  # MLflow's rows are a million objects; to search them for cycles took a third
    from experiment.plotting.command import draw

    with user_errors_end_the_command():
        draw(cfg)


def main() -> None:
    """Run the command."""
    run_command(plot, "plot")
