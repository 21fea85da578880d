"""The parent run of a search in MLflow: its trials are nested in it, its report lies there."""

import logging
import math
import os
from pathlib import Path
from typing import Any

import yaml
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from interface.run_files import SEARCH_PAGE, SEARCH_RESULTS, run_id_of
from util.process_identity import identity

log = logging.getLogger(__name__)

_KEPT = ("report.md", SEARCH_PAGE, "tuned.yaml", "tuned-NOT-verified.yaml", SEARCH_RESULTS)


class SweepRecord(Callback):
    """Completes the parent run, which the first trial opens, when a search ends."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """
        Tell the trials whose search they are: if it is killed, its run can be closed.

        :param config: of the search
        """
        from experiment.tracking.store import SWEEPER

        os.environ[SWEEPER] = identity()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """
        Log the report and mark the winner.

        :param config: of the search
        """
        sweep_dir = Path(config.hydra.sweep.dir)
        parent = run_id_of(sweep_dir)
        if parent is None:
            return
        from experiment.tracking.dead_runs import close_dead_runs
        from experiment.tracking.store import connect

        client = connect(config.tracking.uri)
        close_dead_runs(client)  # a search that goes on and has nothing left to do starts no trial
        for name in _KEPT:
            if (sweep_dir / name).exists():
                client.log_artifact(parent, str(sweep_dir / name))
        results = results_of(sweep_dir)
        value = results.get("best_value")
        if value is not None:
            if math.isfinite(value):  # a database would keep another number for infinity
                client.log_metric(parent, "best_value", value)
            client.set_tag(parent, "best_trial", results["best_trial"])
            client.set_tag(parent, "verified", str(results["verified"]).lower())
            winner = run_id_of(Path(results["run_dir"]))
            if winner is not None:
                client.set_tag(winner, "verified", str(results["verified"]).lower())
        client.set_terminated(parent)


def results_of(sweep_dir: Path) -> dict[str, Any]:
    """
    Read what a search has found.

    :param sweep_dir: its folder
    :return: empty if it has no best trial
    """
    path = sweep_dir / SEARCH_RESULTS
    content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    return content if "best_trial" in content else {}
