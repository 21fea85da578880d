"""Copy runs from MLflow to Comet, or to archives for it: ``python experiment/comet_mirror.py``."""

import sys
from pathlib import Path

# Python puts this file's folder on the path; the packages live one above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import hydra  # noqa: E402
from omegaconf import DictConfig  # noqa: E402

from experiment.command_line import run_command, user_errors_end_the_command  # noqa: E402


@hydra.main(config_path="../conf", config_name="comet_mirror")
def main(cfg: DictConfig) -> None:
    """Run the command; MLflow and Comet are imported only now, so that ``--help`` is quick."""
    from experiment.mirroring.command import mirror

    with user_errors_end_the_command():
        mirror(cfg)


if __name__ == "__main__":
    run_command(main, "comet_mirror")
