"""The sweep's ear in a run: reports each evaluation to the study and says when to stop."""

import math
import time
from collections.abc import Mapping

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState

from hydra_plugins.early_stop_tpe_sweeper._identity import end_with
from hydra_plugins.early_stop_tpe_sweeper._monitor_settings import MonitorSettings
from hydra_plugins.early_stop_tpe_sweeper._records import (
    ENDING,
    FRESH,
    SETTINGS,
    SWEEPER,
    WORKER,
    candidates_of,
    is_contender,
)
from hydra_plugins.early_stop_tpe_sweeper._rules import shows_no_sign_of_life
from hydra_plugins.early_stop_tpe_sweeper._storage import shared_storage
from interface.instantiation import instantiate
from interface.metrics import EVAL_GOAL_DISTANCE, SUCCESS_KEYS
from interface.run_monitor import RunLostError, StopReason
from util.process_identity import identity

_DISTANCE_WEIGHT = 0.001  # orders runs that never succeeded, as in the objective
_SECONDS_TRUSTED = 1.0  # an answer of the storage: a run asks more often than others take over


class StudyMonitor:
    """
    Speaks for a run with its study; a ``RunMonitor``.

    :param storage: of the study, as ``hydra.sweeper.storage`` names it
    :param study_name: of the sweep
    :param trial_id: of the run's trial
    :param is_fresh: whether the run is one on a fresh seed, which is neither pruned nor capped
    :param patience_seconds: how long to wait for a storage that does not answer
    """

    def __init__(
        self,
        storage: str | BaseStorage,
        study_name: str,
        trial_id: int,
        is_fresh: bool,
        patience_seconds: float,
    ) -> None:
        self._is_fresh = is_fresh
        if isinstance(storage, str):
            storage = shared_storage(storage, patience_seconds)
        self._storage = storage
        self._screening = optuna.load_study(study_name=study_name, storage=storage)
        self._racing = optuna.load_study(study_name=study_name + FRESH, storage=storage)
        self._settings = MonitorSettings.from_json(self._screening.user_attrs[SETTINGS])
        if self._settings.pruner is not None:
            self._screening.pruner = instantiate(self._settings.pruner)
        study = self._racing if is_fresh else self._screening
        self._trial = Trial(study, trial_id)
        # by a start that was killed; the study keeps what it was told first
        self._told = set(storage.get_trial(trial_id).intermediate_values)
        self._worker = identity()
        self._trial.set_user_attr(WORKER, self._worker)
        self._sweeper: str = self._trial.user_attrs[SWEEPER]
        end_with(self._sweeper)
        self._cap, self._race = self._settings.cap, self._settings.race
        self._successes: list[float] = []
        self._distances: list[float] = []
        self._asked = -math.inf

    def check_ours(self) -> None:
        """
        Make sure that the trial is still this run's.

        A process that was suspended finds that the clock went on, and asks.

        :raises RunLostError: if another sweeper took it over while ours was silent
        """
        now = time.time()
        if 0 <= now - self._asked < _SECONDS_TRUSTED:
            return
        if not self._is_ours():
            raise RunLostError(f"another sweeper took over trial {self._trial.number}")
        self._asked = now

    def report(self, epoch: int, metrics: Mapping[str, float]) -> StopReason | None:
        """
        Take the metrics of one evaluation.

        :param epoch: its number by steps, so some are left out where rollouts are long
        :param metrics: all metrics of this evaluation
        :return: why the run shall stop now, None to go on
        :raises RunLostError: as ``check_ours``
        """
        self._asked = -math.inf
        self.check_ours()
        try:
            return self._report(epoch, metrics)
        except UpdateFinishedTrialError as error:  # another sweeper was quicker
            raise RunLostError(str(error)) from error

    def _report(self, epoch: int, metrics: Mapping[str, float]) -> StopReason | None:
        self.recall(metrics)
        self._tell(epoch, metrics)
        if self._is_told_to_end():
            return StopReason.INTERRUPTED
        if self._is_fresh:
            return None
        if epoch >= self._learned_cap():
            return None if epoch >= self._cap.budget else StopReason.CAPPED
        return StopReason.PRUNED if self._is_hopeless(epoch) else None

    def recall(self, metrics: Mapping[str, float]) -> None:
        """
        Remember an evaluation, as a run that goes on is judged like one that never stopped.

        :param metrics: all metrics of that evaluation
        """
        if EVAL_GOAL_DISTANCE in metrics:
            self._distances.append(metrics[EVAL_GOAL_DISTANCE])
        criterion = self._settings.criterion
        if criterion is not None and criterion in metrics:
            self._successes.append(metrics[criterion])

    def _tell(self, epoch: int, metrics: Mapping[str, float]) -> None:
        criterion, maximize = self._settings.criterion, self._settings.maximize
        if criterion is None or criterion not in metrics or epoch in self._told:
            return
        value = metrics[criterion] if maximize else -metrics[criterion]
        counts_successes = criterion in SUCCESS_KEYS and maximize
        if counts_successes and self._distances and self._distances[0] > 0:
            value -= _DISTANCE_WEIGHT * min(1.0, self._distances[-1] / self._distances[0])
        self._trial.report(value, epoch)

    def _is_told_to_end(self) -> bool:
        return bool(self._screening.user_attrs.get(ENDING + self._sweeper, False))

    def _is_ours(self) -> bool:
        """Whether our sweeper holds the trial and runs it here: others take over in a silence."""
        latest = self._storage.get_trial(self._trial._trial_id)
        holders = (latest.user_attrs.get(SWEEPER), latest.user_attrs.get(WORKER))
        return latest.state is TrialState.RUNNING and holders == (self._sweeper, self._worker)

    def _learned_cap(self) -> int:
        if len(self._screening.directions) > 1:
            return self._cap.budget
        trials = self._screening.get_trials(deepcopy=False)
        contenders = filter(is_contender, trials)
        fresh = self._racing.get_trials(deepcopy=False)
        return self._cap(candidates_of(contenders, fresh), self._race)

    def _is_hopeless(self, epoch: int) -> bool:
        if epoch < self._cap.n_warm_up:
            return False
        progress, after = self._settings.no_sign_of_life, self._settings.no_sign_of_life_after
        if (
            progress is not None
            and epoch >= after * self._cap.budget
            and shows_no_sign_of_life(self._successes, self._distances, progress)
        ):
            return True
        return self._settings.pruner is not None and self._trial.should_prune()
