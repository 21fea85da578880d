"""
The studies of a sweep, in storage that outlives it: nothing about trials is kept anywhere else.

There are two. ``<name>`` holds the screened configurations, which the sampler learns from.
``<name>-fresh`` holds their runs on fresh seeds, which it never sees. What the rules need is
computed from both, so any number of sweepers, now or later, come to the same conclusions.

A trial keeps its number whatever happens to it: one that is to run again is WAITING again.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from hydra_plugins.early_stop_tpe_sweeper._identity import Liveness, end_worker
from hydra_plugins.early_stop_tpe_sweeper._outcome import Outcome
from hydra_plugins.early_stop_tpe_sweeper._rules import Candidate, FreshRun
from interface.errors import UserError
from interface.result import Status

log = logging.getLogger(__name__)

FRESH = "-fresh"
SETTINGS, SPACE, SEED, BEAT, ENDING = "settings", "space", "seed", "beat:", "ending:"
CANDIDATE, SWEEPER, WORKER, RETRIES, ORIGIN = (
    "candidate",
    "sweeper",
    "worker",
    "retries",
    "origin",
)
_STARTED = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Ledger:
    """
    Books the trials of a sweep.

    :param storage: of both studies
    :param name: of the study
    :param space: what is searched
    :param directions: one per objective
    :param sampler: proposes configurations
    :param me: identity of this sweeper
    :param heartbeat_timeout_seconds: after which a sweeper of another host counts as dead
    :raises UserError: if a study of that name searches another space
    """

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        space: Mapping[str, BaseDistribution],
        directions: list[str],
        sampler: optuna.samplers.BaseSampler | None,
        me: str,
        heartbeat_timeout_seconds: float,
    ) -> None:
        self.storage, self.space, self._me = storage, dict(space), me
        create = optuna.create_study
        self.screening = create(
            study_name=name,
            storage=storage,
            sampler=sampler,
            directions=directions,  # type: ignore[arg-type]
            load_if_exists=True,
        )
        self.racing = create(
            study_name=name + FRESH,
            storage=storage,
            sampler=optuna.samplers.RandomSampler(),  # its trials bring their values with them
            directions=directions,  # type: ignore[arg-type]
            load_if_exists=True,
        )
        self._liveness = Liveness(heartbeat_timeout_seconds)
        self._n_beats = 0
        self._check_space()

    def _check_space(self) -> None:
        ours = {key: json.loads(distribution_to_json(one)) for key, one in self.space.items()}
        theirs = self.screening.user_attrs.get(SPACE)
        if theirs is None:
            self.screening.set_user_attr(SPACE, ours)
        elif theirs != ours:
            different = sorted(key for key in ours | theirs if ours.get(key) != theirs.get(key))
            raise UserError(
                f"the study {self.screening.study_name!r} searches another space (different: "
                f"{', '.join(different)}); give this one a name of its own with "
                f"hydra.sweeper.study_name"
            )

    def configure(self, settings: Mapping[str, Any], seed: int) -> int:
        """
        Tell the workers what they go by; the seed of a study stays what it was at first.

        :param settings: see ``_monitor``
        :param seed: of the screening runs of a new study
        :return: the study's seed
        """
        if self.screening.user_attrs.get(SETTINGS) != settings:
            self.screening.set_user_attr(SETTINGS, dict(settings))
        if SEED not in self.screening.user_attrs:
            self.screening.set_user_attr(SEED, seed)
        return int(self.screening.user_attrs[SEED])

    @property
    def trials(self) -> list[FrozenTrial]:
        """All screened configurations."""
        return self.screening.get_trials(deepcopy=False)

    @property
    def n_started(self) -> int:
        """Count the screening trials that started and need not run again."""
        return sum(trial.state in _STARTED for trial in self.trials)

    @property
    def fresh_trials(self) -> list[FrozenTrial]:
        """All runs on fresh seeds."""
        return self.racing.get_trials(deepcopy=False)

    @property
    def n_running_elsewhere(self) -> int:
        """Count the trials that other sweepers run."""
        running = [one for one in self.trials + self.fresh_trials if not one.state.is_finished()]
        return sum(
            one.state is TrialState.RUNNING and one.user_attrs.get(SWEEPER) != self._me
            for one in running
        )

    def last_epoch(self, trial: Trial) -> int:
        """
        Tell how far a trial came.

        :param trial: started
        """
        return trial._get_latest_trial().last_step or 0

    def candidates(self) -> list[Candidate]:
        """List the screened configurations that finished, with their runs on fresh seeds."""
        fresh: dict[int, list[FrozenTrial]] = {}
        for trial in self.fresh_trials:
            fresh.setdefault(trial.user_attrs[CANDIDATE], []).append(trial)
        return [
            candidate_of(trial, fresh.get(trial.number, []))
            for trial in self.trials
            if trial.state is TrialState.COMPLETE and len(self.screening.directions) == 1
        ]

    def enqueue(self, params: Mapping[str, Any], origin: str) -> None:
        """
        Queue a configuration, unless it is queued or was tried already.

        :param params: values of searched keys; the sampler chooses the others
        :param origin: where it comes from
        """
        self.screening.enqueue_trial(dict(params), {ORIGIN: origin}, skip_if_exists=True)

    def ask_screening(self, n_trials: int) -> Trial | None:
        """
        Start a queued or a new configuration.

        :param n_trials: how many there shall be in all
        :return: None if all of them started
        """
        if self.n_started >= n_trials:
            return None
        trial = self._ask(self.screening)
        earlier = [
            one for one in self.trials if one.state in _STARTED and one.number < trial.number
        ]
        if len(earlier) >= n_trials:  # another sweeper was quicker
            self.requeue(trial)
            return None
        return trial

    def ask_racing(self, candidate: Candidate) -> Trial:
        """
        Start a run of a contender on a fresh seed, a queued one first.

        :param candidate: the contender
        """
        params = self.trials[candidate.number].params
        waiting = self.racing.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if not any(trial.user_attrs[CANDIDATE] == candidate.number for trial in waiting):
            self.racing.enqueue_trial(params, {CANDIDATE: candidate.number})
        return self._ask(self.racing)

    def _ask(self, study: optuna.Study) -> Trial:
        trial = study.ask(self.space)
        trial.set_user_attr(SWEEPER, self._me)
        return trial

    def requeue(self, trial: Trial | FrozenTrial) -> None:
        """
        Queue a trial again, with its number and its values.

        :param trial: running
        """
        self.storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """
        Book how a trial ended.

        :param trial: running
        :param outcome: of its run
        """
        study = trial.study
        try:
            for key, value in outcome.attributes.items():
                trial.set_user_attr(key, value)
            if outcome.values is None:
                study.tell(trial, state=TrialState.FAIL)
            elif outcome.status is Status.PRUNED and trial.study is self.screening:
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, outcome.values)
        except (UpdateFinishedTrialError, ValueError) as error:
            if trial._get_latest_trial().state is TrialState.RUNNING:
                raise
            log.warning("trial %d was booked by another sweeper: %s", trial.number, error)

    def beat(self) -> None:
        """Say that this sweeper lives."""
        self._n_beats += 1
        self.screening.set_user_attr(BEAT + self._me, self._n_beats)

    def end_running(self) -> None:
        """Ask the runs of this sweeper to end at their next evaluation."""
        self.screening.set_user_attr(ENDING + self._me, True)

    def requeue_orphans(self) -> list[int]:
        """
        Queue the trials of dead sweepers again; their workers, if any still live here, end.

        :return: their numbers
        """
        attributes = self.screening.user_attrs
        beats = {key[len(BEAT) :]: value for key, value in attributes.items() if BEAT in key}
        orphans = []
        for study in (self.screening, self.racing):
            for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                sweeper = trial.user_attrs.get(SWEEPER)
                if sweeper == self._me or (
                    sweeper is not None and self._liveness.lives(sweeper, beats)
                ):
                    continue
                if WORKER in trial.user_attrs:
                    end_worker(trial.user_attrs[WORKER])
                self.requeue(trial)
                orphans.append(trial.number)
        return orphans


def candidate_of(trial: FrozenTrial, fresh: list[FrozenTrial]) -> Candidate:
    """
    Read a configuration's runs.

    :param trial: its screening, complete
    :param fresh: its runs on fresh seeds
    """
    assert trial.value is not None
    return Candidate(
        number=trial.number,
        reached=trial.user_attrs.get("status") == Status.SUCCESS.value,
        score=trial.value,
        n_epochs=trial.user_attrs.get("n_epochs", 0),
        fresh=tuple(
            FreshRun(
                reached=one.user_attrs.get("status") == Status.SUCCESS.value,
                score=one.value if one.state is TrialState.COMPLETE else 0.0,  # type: ignore[arg-type]
                n_epochs=one.user_attrs.get("n_epochs", 0),
            )
            for one in fresh
            if one.state.is_finished()
        ),
        n_racing=sum(one.state is TrialState.RUNNING for one in fresh),
    )
