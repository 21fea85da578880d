"""The command ``launch.py``."""

import hydra
from omegaconf import DictConfig

from experiment.cli.command_line import run_command
from experiment.cli.config_groups import CONF
from experiment.cli.context import context_of_hydra
from experiment.launching.launches import launch_all, run_one


@hydra.main(config_path=str(CONF), config_name="launch")
def launch(cfg: DictConfig) -> int:
    """Do one of the runs."""
    return run_one(cfg, context_of_hydra().run_dir)


def main() -> None:
    """Run the command."""
    run_command(lambda: launch_all(launch), "launch")
