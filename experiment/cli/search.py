"""The command ``search.py``."""

import sys

import hydra
from hydra.utils import UNSAFE_DISABLE_EXECUTION_CHECKS
from omegaconf import DictConfig

from experiment.cli.command_line import run_command
from experiment.cli.config_groups import CONF
from experiment.cli.context import context_of_hydra
from experiment.script_search.run import run_script
from experiment.script_search.settings import check_command
from interface.result import RunResult

_SHOW = {"--help", "-h", "--hydra-help", "--cfg", "-c", "--info", "-i", "--version"}


# a config is as trusted as code
@hydra.main(
    config_path=str(CONF),
    config_name="search",
    execution_whitelist=UNSAFE_DISABLE_EXECUTION_CHECKS,
)
def search(cfg: DictConfig) -> RunResult:
    """Do one of the runs."""
    return run_script(cfg, context_of_hydra())


def main() -> None:
    """Run the command: always a search, if it is no question."""

    def run() -> None:
        if not _SHOW & set(sys.argv):
            check_command(sys.argv[1:])
            if "--multirun" not in sys.argv:
                sys.argv.insert(1, "--multirun")
        search()

    run_command(run, "search")
