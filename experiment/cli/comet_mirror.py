"""The command ``comet_mirror.py``."""

import hydra
from omegaconf import DictConfig

from experiment.cli.command_line import run_command, user_errors_end_the_command
from experiment.cli.config_groups import CONF


@hydra.main(config_path=str(CONF), config_name="comet_mirror")
def comet_mirror(cfg: DictConfig) -> None:
    """Do it; MLflow and Comet are imported only now, so that ``--help`` is quick."""
    from experiment.mirroring.command import mirror

    with user_errors_end_the_command():
        mirror(cfg)


def main() -> None:
    """Run the command."""
    run_command(comet_mirror, "comet_mirror")
