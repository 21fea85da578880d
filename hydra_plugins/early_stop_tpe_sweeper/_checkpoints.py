"""What trials need to go on, which is most of what they hold: it goes where nobody will want it."""

from contextlib import suppress
from pathlib import Path

from optuna.trial import TrialState

from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._records import run_of
from hydra_plugins.early_stop_tpe_sweeper._rules import Race
from hydra_plugins.early_stop_tpe_sweeper._sweep import Sweep
from interface.run_files import LAST

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class Checkpoints:
    """
    Removes the checkpoints of runs that have ended and cannot win any more.

    A trial that is to run on is not finished. Of one that failed the checkpoint stays: somebody may
    look for the reason.

    :param ledger: books trials
    :param race: tells contenders' verdicts
    """

    def __init__(self, ledger: Ledger, race: Race) -> None:
        self._ledger, self._race = ledger, race
        self._n_jobs = -1  # a search that goes on begins with what was left
        self._removed: set[int] = set()

    def update(self, sweep: Sweep) -> None:
        """
        Remove what a job that ended has made needless.

        :param sweep: running
        """
        n_jobs = len(sweep.workload.jobs)
        if n_jobs == self._n_jobs:
            return
        self._n_jobs = n_jobs
        kept = self._still_wanted()
        screened = [one for one in self._ledger.trials if one.number not in kept]
        for trial in [*screened, *self._ledger.fresh_trials]:
            if trial.state in _ENDED and trial._trial_id not in self._removed:
                self._removed.add(trial._trial_id)
                with suppress(OSError):  # another host's, or already gone
                    Path(run_of(trial).get("dir", "."), LAST).unlink()

    def _still_wanted(self) -> set[int]:
        """Find the configurations that may win: somebody may want to train them on."""
        study = self._ledger.screening
        if len(study.directions) > 1:
            return {one.number for one in study.best_trials}
        return {one.number for one in self._race.open_to_win(self._ledger.candidates())}
