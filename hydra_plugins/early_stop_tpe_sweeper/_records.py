"""What the studies of a sweep hold: the names of attributes, and configurations with their runs."""

from collections.abc import Iterable, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from hydra_plugins.early_stop_tpe_sweeper._rules import Candidate, FreshRun
from interface.result import Status

FRESH = "-fresh"
# of a study
SETTINGS, SPACE, SEED, COMMIT, FOUNDER, BEAT, ENDING = (
    "settings",
    "space",
    "seed",
    "commit",
    "founder",
    "beat:",
    "ending:",
)
# of a trial
CANDIDATE, SWEEPER, WORKER, RETRIES, ORIGIN, RUN, RESULT = (
    "candidate",
    "sweeper",
    "worker",
    "retries",
    "origin",
    "run",
    "result",
)


def run_of(trial: FrozenTrial) -> dict[str, Any]:
    """
    Tell what a trial runs: ``dir``, ``commit``, and ``seed`` where the task has one.

    It is one record, as each write takes a while.

    :param trial: started
    """
    return trial.user_attrs.get(RUN, {})


def result_of(trial: FrozenTrial) -> dict[str, Any]:
    """
    Tell how a run ended: ``status``, ``n_epochs``, ``n_steps``, ``unit``, ``run_id``, ``was_nan``.

    :param trial: if it is not finished, or of a task that is not ours, it has none of them
    """
    return trial.user_attrs.get(RESULT, {})


def is_contender(trial: FrozenTrial) -> bool:
    """
    Tell whether a screening run reached its target; only such configurations race.

    :param trial: of a study with one objective
    """
    is_complete = trial.state is TrialState.COMPLETE
    return is_complete and result_of(trial).get("status") == Status.SUCCESS.value


def candidates_of(
    complete: Iterable[FrozenTrial], fresh_trials: Iterable[FrozenTrial]
) -> list[Candidate]:
    """
    Put configurations and their runs on fresh seeds together.

    :param complete: screening runs of a study with one objective
    :param fresh_trials: of its study of runs on fresh seeds
    """
    fresh: dict[int, list[FrozenTrial]] = {}
    for trial in fresh_trials:
        fresh.setdefault(trial.user_attrs[CANDIDATE], []).append(trial)
    return [candidate_of(trial, fresh.get(trial.number, [])) for trial in complete]


def candidate_of(trial: FrozenTrial, fresh: Sequence[FrozenTrial]) -> Candidate:
    """
    Read a configuration's runs.

    :param trial: its screening, complete
    :param fresh: its runs on fresh seeds
    """
    assert trial.value is not None
    finished = tuple(
        FreshRun(
            reached=result_of(one).get("status") == Status.SUCCESS.value,
            score=one.value if one.state is TrialState.COMPLETE else 0.0,  # type: ignore[arg-type]
            n_epochs=result_of(one).get("n_epochs", 0),
        )
        for one in fresh
        if one.state.is_finished()
    )
    return Candidate(
        number=trial.number,
        reached=is_contender(trial),
        score=trial.value,
        n_epochs=result_of(trial).get("n_epochs", 0),
        fresh=finished,
        n_racing=sum(one.state is TrialState.RUNNING for one in fresh),
    )
