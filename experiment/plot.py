"""Draw learning curves, or a search: ``python experiment/plot.py envs=[FetchReach-v4]``."""

import gc
import sys
from pathlib import Path

# Python puts this file's folder on the path; the packages live one above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import hydra  # noqa: E402
from omegaconf import DictConfig  # noqa: E402

from experiment.command_line import run_command, user_errors_end_the_command  # noqa: E402


@hydra.main(config_path="../conf", config_name="plot")
def main(cfg: DictConfig) -> None:
    """Run the command; matplotlib is imported only now, so that ``--help`` is quick."""
    gc.disable()  # MLflow's rows are a million objects; to search them for cycles took a third
    from experiment.plotting.command import draw

    with user_errors_end_the_command():
        draw(cfg)


if __name__ == "__main__":
    run_command(main, "plot")
