"""MLflow, and a mirror of it in Comet that runs in a process of its own."""

import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiment.run_folder.shown import command
from experiment.tracking.tracker import MlflowTracker
from interface.errors import UserError
from interface.resolvers import REPOSITORY, quoted

log = logging.getLogger(__name__)

MIRROR_LOG = "comet.log"


class MirroredTracker(MlflowTracker):
    """
    Tracks a run in MLflow and starts ``experiment/comet_mirror.py`` for it.

    The run never waits for the mirror, and what the mirror says goes to ``comet.log``.

    :param comet_interval_minutes: mirror the running run so often; 0: only when it has ended
    :param comet_archive_dir: for offline archives, and what was sent
    :param comet_workspace: of Comet; None: the default one
    :param comet_project: of Comet
    :param mlflow: arguments of ``MlflowTracker``
    """

    def __init__(
        self,
        comet_interval_minutes: float,
        comet_archive_dir: str,
        comet_workspace: str | None,
        comet_project: str,
        **mlflow: Any,
    ) -> None:
        super().__init__(**mlflow)
        if comet_interval_minutes < 0:
            raise UserError(
                f"tracking.comet_interval_minutes must be at least 0, got {comet_interval_minutes}"
            )
        self._interval_minutes = comet_interval_minutes
        self._mirror_overrides = [
            f"uri={quoted(self._uri)}",
            f"archive_dir={quoted(comet_archive_dir)}",
            f"workspace={'null' if comet_workspace is None else quoted(comet_workspace)}",
            f"project={quoted(comet_project)}",
            f"trainer={os.getpid()}",
        ]

    def start(
        self,
        folder: Path,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        step: int,
        sweep_dir: Path | None = None,
    ) -> None:
        """Open the run, and mirror it now and then if asked for."""
        super().start(folder, name, params, tags, step, sweep_dir)
        if self._interval_minutes > 0:
            self._mirror(f"interval_minutes={self._interval_minutes}")

    def close(self, end: str) -> None:
        """End the run, and mirror what is left."""
        super().close(end)
        self._mirror()

    def _mirror(self, *overrides: str) -> None:
        if self.run_id is None:
            log.warning(
                "MLflow does not know the run yet, so nothing is mirrored; when it does:\n  %s",
                command("comet_mirror"),
            )
            return
        script = REPOSITORY / "experiment" / "comet_mirror.py"
        with (self._folder / MIRROR_LOG).open("a") as output:
            subprocess.Popen(
                [
                    # from its first import on, a mirror never takes the processor from a trainer
                    *("nice", "-n", "19", sys.executable),
                    str(script),
                    f"run={self.run_id}",
                    *self._mirror_overrides,
                    *overrides,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the run. In a session of its own, its low priority would not count:
                # Linux shares processors between sessions first.
                process_group=0,
            )
