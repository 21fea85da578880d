"""What the studies of a sweep hold: the names of attributes, and configurations with their runs."""

from collections.abc import Iterable, Sequence

from optuna.trial import FrozenTrial, TrialState

from hydra_plugins.early_stop_tpe_sweeper._rules import Candidate, FreshRun
from interface.result import Status

FRESH = "-fresh"
# of a study
SETTINGS, SPACE, SEED, COMMIT, BEAT, ENDING = (
    "settings",
    "space",
    "seed",
    "commit",
    "beat:",
    "ending:",
)
# of a trial
CANDIDATE, SWEEPER, WORKER, RETRIES, ORIGIN = (
    "candidate",
    "sweeper",
    "worker",
    "retries",
    "origin",
)


def is_contender(trial: FrozenTrial) -> bool:
    """
    Tell whether a screening run reached its target; only such configurations race.

    :param trial: of a study with one objective
    """
    is_complete = trial.state is TrialState.COMPLETE
    return is_complete and trial.user_attrs.get("status") == Status.SUCCESS.value


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
            reached=one.user_attrs.get("status") == Status.SUCCESS.value,
            score=one.value if one.state is TrialState.COMPLETE else 0.0,  # type: ignore[arg-type]
            n_epochs=one.user_attrs.get("n_epochs", 0),
        )
        for one in fresh
        if one.state.is_finished()
    )
    return Candidate(
        number=trial.number,
        reached=is_contender(trial),
        score=trial.value,
        n_epochs=trial.user_attrs.get("n_epochs", 0),
        fresh=finished,
        n_racing=sum(one.state is TrialState.RUNNING for one in fresh),
    )
