"""What a search over a script found, as a command line of the script."""

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from experiment.script_search.run import COMMAND
from experiment.tracking.search_record import results_of
from util.atomic_write import atomic_write_text

log = logging.getLogger(__name__)


class WinningCommand(Callback):
    """Writes the command of the winner when a search ends, and says it."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """
        Copy it from the winner's run.

        :param config: of the search
        """
        sweep_dir = Path(config.hydra.sweep.dir)
        run_dir = results_of(sweep_dir).get("run_dir")
        if run_dir is None or not (Path(run_dir) / COMMAND).exists():
            return
        command = (Path(run_dir) / COMMAND).read_text(encoding="utf-8")
        atomic_write_text(sweep_dir / COMMAND, command)
        log.info("use it: %s", command.strip())
