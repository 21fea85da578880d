"""
The studies of a sweep, in storage that outlives it: nothing about trials is kept anywhere else.

There are two. ``<name>`` holds the screened configurations, which the sampler learns from.
``<name>-fresh`` holds their runs on fresh seeds, which it never sees. What the rules need is
computed from both, so any number of sweepers, now or later, come to the same conclusions.

A trial keeps its number whatever happens to it: one that is to run again is WAITING again. Numbers
are what sweepers share: the trials below ``n_trials`` run, whoever starts them, and the sweeper
that a trial names is the only one to run it and to book it.
"""

from collections.abc import Callable, Mapping

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from hydra_plugins.early_stop_tpe_sweeper._founding import made
from hydra_plugins.early_stop_tpe_sweeper._identity import Liveness, end_worker
from hydra_plugins.early_stop_tpe_sweeper._outcome import Outcome
from hydra_plugins.early_stop_tpe_sweeper._records import (
    BEAT,
    CANDIDATE,
    ENDING,
    FOUNDER,
    FRESH,
    RUN,
    SWEEPER,
    WORKER,
    candidate_of,
    candidates_of,
    is_contender,
)
from hydra_plugins.early_stop_tpe_sweeper._rules import Candidate, Race
from interface.result import Status


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
    :param commit: of the code on this host
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
        commit: str = "",
    ) -> None:
        self.storage = optuna.storages.get_storage(storage)
        self.space, self.commit, self._me = dict(space), commit, me
        self.is_founder = made(self.storage, name, directions)
        made(self.storage, name + FRESH, directions)
        load = optuna.load_study
        self.screening = load(study_name=name, storage=self.storage, sampler=sampler)
        # trials on fresh seeds bring their values with them
        nothing = optuna.samplers.RandomSampler()
        self.racing = load(study_name=name + FRESH, storage=self.storage, sampler=nothing)
        if self.is_founder:
            self.screening.set_user_attr(FOUNDER, me)
        self._liveness = Liveness(heartbeat_timeout_seconds)
        self._n_beats = 0
        self._contenders: list[FrozenTrial] = []
        self._n_settled = 0
        self._unsettled: list[FrozenTrial] = []

    @property
    def trials(self) -> list[FrozenTrial]:
        """All screened configurations."""
        return self.screening.get_trials(deepcopy=False)

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

    def now(self, trial: Trial) -> FrozenTrial:
        """
        Read a trial as it is now; the trial itself remembers what it was.

        :param trial: started
        """
        return self.storage.get_trial(trial._trial_id)

    def last_epoch(self, trial: Trial) -> int:
        """
        Tell how far a trial came.

        :param trial: started
        """
        return self.now(trial).last_step or 0

    def contenders(self) -> list[Candidate]:
        """List the configurations that reached their target, which are few: rules ask often."""
        if len(self.screening.directions) > 1:
            return []
        self._look()
        contenders = [*self._contenders, *filter(is_contender, self._unsettled)]
        return candidates_of(contenders, self.fresh_trials) if contenders else []

    def _look(self) -> None:
        """Look at the first trials that all finished just once: they never change."""
        trials = self.trials
        while self._n_settled < len(trials) and trials[self._n_settled].state.is_finished():
            if is_contender(trials[self._n_settled]):
                self._contenders.append(trials[self._n_settled])
            self._n_settled += 1
        self._unsettled = trials[self._n_settled :]

    def candidates(self) -> list[Candidate]:
        """List the screened configurations that finished, with their runs on fresh seeds."""
        if len(self.screening.directions) > 1:
            return []
        complete = (one for one in self.trials if one.state is TrialState.COMPLETE)
        return candidates_of(complete, self.fresh_trials)

    def ask_screening(self, n_trials: int) -> Trial | None:
        """
        Start a queued or a new configuration.

        :param n_trials: how many there shall be in all
        :return: None if all of them started
        """
        self._look()
        open_ones = [one for one in self._unsettled if one.number < n_trials]
        waits = any(one.state is TrialState.WAITING for one in open_ones)
        if self._n_settled + len(open_ones) >= n_trials and not waits:
            return None
        trial = self.screening.ask(self.space)
        trial.set_user_attr(SWEEPER, self._me)
        if trial.number >= n_trials:  # another sweeper was quicker
            self.requeue(trial)
            return None
        return trial

    def ask_racing(self, candidate: Candidate, race: Race) -> Trial | None:
        """
        Start a run of a contender on a fresh seed, a queued one first.

        :param candidate: the contender
        :param race: says how many fresh runs are worth starting
        :return: None if other sweepers started enough of them in the meantime
        """
        trial = self._queued(candidate) or self._new_run(candidate)
        before = [
            one
            for one in self.fresh_trials
            if one.user_attrs[CANDIDATE] == candidate.number
            and (one.number < trial.number or one.state.is_finished())
        ]
        if race.n_to_start(candidate_of(self.trials[candidate.number], before)) > 0:
            return trial
        self.requeue(trial)
        return None

    def ask_begun(self) -> Trial | None:
        """
        Go on with a run on a fresh seed that was killed or interrupted, its race decided or not.

        :return: None if there is none
        """
        return self._queued_where(lambda one: RUN in one.user_attrs)

    def _queued(self, candidate: Candidate) -> Trial | None:
        return self._queued_where(lambda one: one.user_attrs[CANDIDATE] == candidate.number)

    def _queued_where(self, is_meant: Callable[[FrozenTrial], bool]) -> Trial | None:
        # Optuna's storage in memory, asked for waiting ones, leaves out those that wait again
        waiting = [one for one in self.fresh_trials if one.state is TrialState.WAITING]
        for one in filter(is_meant, waiting):
            if self.storage.set_trial_state_values(one._trial_id, TrialState.RUNNING):
                trial = Trial(self.racing, one._trial_id)
                trial.set_user_attr(SWEEPER, self._me)
                return trial
        return None

    def _new_run(self, candidate: Candidate) -> Trial:
        screened = self.trials[candidate.number]
        template = create_trial(
            state=TrialState.RUNNING,
            params=screened.params,
            distributions=screened.distributions,
            user_attrs={CANDIDATE: candidate.number, SWEEPER: self._me},
        )
        return Trial(self.racing, self.storage.create_new_trial(self.racing._study_id, template))

    def holds(self, trial: Trial) -> bool:
        """
        Tell whether a trial is still ours: another sweeper took over what a silent one ran.

        :param trial: started here
        """
        latest = self.now(trial)
        return latest.state is TrialState.RUNNING and latest.user_attrs.get(SWEEPER) == self._me

    def requeue(self, trial: Trial | FrozenTrial) -> None:
        """
        Queue a trial again, with its number and its values; from now on it is nobody's.

        :param trial: running
        """
        for key in (SWEEPER, WORKER):
            self.storage.set_trial_user_attr(trial._trial_id, key, None)
        self.storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)

    def tell(self, trial: Trial, outcome: Outcome) -> None:
        """
        Book how a trial ended.

        :param trial: running
        :param outcome: of its run
        """
        study = trial.study
        for key, value in outcome.attributes.items():
            trial.set_user_attr(key, value)
        if outcome.values is None:
            study.tell(trial, state=TrialState.FAIL)
        elif outcome.status is Status.PRUNED and trial.study is self.screening:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, outcome.values)

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
                if self._is_cared_for(trial, beats) or not self._is_as(trial):
                    continue
                if trial.user_attrs.get(WORKER) is not None:
                    end_worker(trial.user_attrs[WORKER])
                self.requeue(trial)
                orphans.append(trial.number)
        return orphans

    def _is_as(self, trial: FrozenTrial) -> bool:
        """Tell whether a trial is still as it was read: others queue orphans, too."""
        latest = self.storage.get_trial(trial._trial_id)
        is_same = latest.user_attrs.get(SWEEPER) == trial.user_attrs.get(SWEEPER)
        return is_same and latest.state is trial.state

    def _is_cared_for(self, trial: FrozenTrial, beats: Mapping[str, int]) -> bool:
        sweeper = trial.user_attrs.get(SWEEPER)
        if sweeper is None:  # somebody is about to take it, unless he died at that moment
            return not self._liveness.is_silent(f"trial {trial._trial_id}", 0)
        return sweeper == self._me or self._liveness.lives(sweeper, beats)
