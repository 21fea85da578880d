"""Train an agent: ``python experiment/train.py env=FetchReach-v4 algorithm=her``."""

import sys
from pathlib import Path

# Python puts this file's folder on the path; the packages live one above.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import hydra  # noqa: E402
from hydra.utils import UNSAFE_DISABLE_EXECUTION_CHECKS  # noqa: E402
from omegaconf import DictConfig  # noqa: E402

from experiment.command_line import end_single_run, run_command  # noqa: E402
from experiment.interrupts import end_at_once_on_signals  # noqa: E402
from interface.result import TrialResult  # noqa: E402


# a config is as trusted as code
@hydra.main(
    config_path="../conf",
    config_name="main",
    execution_whitelist=UNSAFE_DISABLE_EXECUTION_CHECKS,
)
def main(cfg: DictConfig) -> TrialResult:
    """Run one trial; torch and SB3 are imported only now, so that ``--help`` is quick."""
    from experiment.trial import run_trial

    return end_single_run(lambda: run_trial(cfg))


if __name__ == "__main__":
    end_at_once_on_signals()
    run_command(main, "main")
