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


def candidates_of(
    screened: Iterable[FrozenTrial], fresh_trials: Iterable[FrozenTrial]
) -> list[Candidate]:
    """
    List the screened configurations that finished, with their runs on fresh seeds.

    :param screened: of a study with one objective
    :param fresh_trials: of its study of runs on fresh seeds
    """
    fresh: dict[int, list[FrozenTrial]] = {}
    for trial in fresh_trials:
        fresh.setdefault(trial.user_attrs[CANDIDATE], []).append(trial)
    return [
        candidate_of(trial, fresh.get(trial.number, []))
        for trial in screened
        if trial.state is TrialState.COMPLETE
    ]


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
        reached=trial.user_attrs.get("status") == Status.SUCCESS.value,
        score=trial.value,
        n_epochs=trial.user_attrs.get("n_epochs", 0),
        fresh=finished,
        n_racing=sum(one.state is TrialState.RUNNING for one in fresh),
    )
