"""Run any script with many arguments: ``python experiment/launch.py 'sets=[{env:A},{env:B}]'``."""

import sys
from pathlib import Path

# Python puts this file's folder on the path; the packages live one above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import hydra  # noqa: E402
from omegaconf import DictConfig  # noqa: E402

from experiment.command_line import run_command  # noqa: E402
from experiment.launches import launch_all, run_one  # noqa: E402


@hydra.main(config_path="../conf", config_name="launch")
def main(cfg: DictConfig) -> int:
    """Do one of the runs."""
    return run_one(cfg)


if __name__ == "__main__":
    run_command(lambda: launch_all(main), "launch")
