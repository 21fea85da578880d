"""What a sweep shows while it runs: a live table on a terminal, lines elsewhere."""

import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.live import Live
from rich.table import Table as RichTable

from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._records import CANDIDATE, result_of, run_of
from hydra_plugins.early_stop_tpe_sweeper._rules import Verdict
from hydra_plugins.early_stop_tpe_sweeper._sweep import Sweep
from hydra_plugins.early_stop_tpe_sweeper.config import Settings
from interface.run_files import SEARCH_PAGE

log = logging.getLogger(__name__)

_REFRESH_SECONDS = 2.0


class Table:
    """
    Shows a sweep.

    :param ledger: books trials
    :param settings: of the sweeper
    :param stop_file: whose deletion stops the sweep
    """

    def __init__(self, ledger: Ledger, settings: Settings, stop_file: Path) -> None:
        self._ledger, self._race = ledger, settings.race
        self._settings, self._stop_file = settings, stop_file
        self._verdicts: dict[int, Verdict] = {}
        self._started = self._last = time.monotonic()
        self._live = Live(console=Console(file=sys.stderr), auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Begin."""
        before = [("trial", one) for one in self._ledger.trials]
        before += [("fresh run", one) for one in self._ledger.fresh_trials]
        self._told = {(kind, one.number) for kind, one in before if one.state.is_finished()}
        if self._told:
            log.info("%d finished runs are known already", len(self._told))
        log.info(
            "study %s: %d trials, %d at once; dashboard: optuna-dashboard %s",
            self._settings.study_name,
            self._settings.n_trials,
            self._settings.n_jobs,
            self._settings.storage,
        )
        if len(self._settings.directions) == 1:
            log.info(
                "watch: %s (experiment/look.py search=latest serves it)",
                self._stop_file.with_name(SEARCH_PAGE),
            )
        log.info("delete %s to stop in order", self._stop_file)
        if sys.stderr.isatty():
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        self._live.stop()

    def update(self, sweep: Sweep) -> None:
        """
        Tell what is new.

        :param sweep: running
        """
        now = time.monotonic()
        if now - self._last < _REFRESH_SECONDS and sweep.running:
            return
        self._last = now
        trials = sweep.ledger.trials
        for kind, study in (("trial", trials), ("fresh run", sweep.ledger.fresh_trials)):
            for trial in study:
                if trial.state.is_finished() and (kind, trial.number) not in self._told:
                    self._told.add((kind, trial.number))
                    log.info("%s", finished_line(kind, trial))
        for one in sweep.ledger.contenders():
            verdict = self._race.verdict(one)
            if one.fresh and verdict is not self._verdicts.get(one.number, Verdict.UNDECIDED):
                self._verdicts[one.number] = verdict
                n_reached = sum(run.reached for run in one.fresh)
                log.info(
                    "trial %d is %s: %d of %d fresh seeds reached the target",
                    one.number,
                    verdict.value,
                    n_reached,
                    len(one.fresh),
                )
        if self._live.is_started:
            self._live.update(self._render(sweep, trials), refresh=True)

    def _render(self, sweep: Sweep, trials: list[FrozenTrial]) -> RichTable:
        n_done = sum(trial.state.is_finished() for trial in trials)
        elapsed = time.monotonic() - self._started
        left = elapsed / max(1, n_done) * max(0, sweep.limits.n_trials - n_done)
        best = self._race.best(sweep.ledger.contenders())
        table = RichTable(
            title=f"{n_done}/{sweep.limits.n_trials} trials, about {left / 60:.0f} min left, "
            f"idle {sweep.workload.idle_share(sweep.executor.now()):.0%}, "
            f"verified: {'none yet' if best is None else f'trial {best.number}'}"
        )
        for heading in ("running", "epoch", "value", "parameters"):
            table.add_column(heading)
        for job in sweep.running:
            trial = sweep.ledger.now(job.trial)
            epoch = trial.last_step or 0
            value = trial.intermediate_values.get(epoch)
            name = f"fresh seed {trial.user_attrs.get('seed')}" if job.is_fresh else "trial"
            table.add_row(
                f"{name} {trial.number}",
                str(epoch),
                "" if value is None else f"{value:.2f}",
                params_text(trial.params),
            )
        return table


def finished_line(kind: str, trial: FrozenTrial) -> str:
    """
    Say how a trial ended.

    :param kind: of trial
    :param trial: finished
    """
    status = result_of(trial).get("status", trial.state.name.lower())
    if trial.state is TrialState.FAIL:
        status = "failed"
    epochs = result_of(trial).get("n_epochs")
    parts = [f"{kind} {trial.number}", status]
    if kind != "trial":
        parts[0] += f" of trial {trial.user_attrs[CANDIDATE]}, seed {run_of(trial)['seed']}"
    if epochs is not None:
        parts.append(f"{epochs} epochs")
    if trial.values:
        parts.append("score " + ", ".join(f"{value:.3f}" for value in trial.values))
    if "origin" in trial.user_attrs:
        parts.append(f"the {trial.user_attrs['origin']}")
    return ", ".join(parts) + (f" ({params_text(trial.params)})" if kind == "trial" else "")


def params_text(params: Mapping[str, Any]) -> str:
    """
    Write parameters shortly.

    :param params: by config key
    """
    return " ".join(
        f"{key.rpartition('.')[2]}={value:.4g}"
        if isinstance(value, float)
        else f"{key.rpartition('.')[2]}={value}"
        for key, value in params.items()
    )
