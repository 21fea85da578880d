"""What is known of a search, for people: gathered once, and written as a page and as Markdown."""

import csv
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from omegaconf import DictConfig
from optuna.trial import FrozenTrial, TrialState

from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._records import (
    ORIGIN,
    SETTINGS,
    candidates_of,
    result_of,
    run_of,
)
from hydra_plugins.early_stop_tpe_sweeper._rules import Candidate, Race, Verdict
from hydra_plugins.early_stop_tpe_sweeper._table import params_text
from hydra_plugins.early_stop_tpe_sweeper._tuned import command
from hydra_plugins.early_stop_tpe_sweeper.config import Settings
from interface.config import Direction, has_env
from interface.objective import criteria
from interface.run_files import EVALUATIONS, FILMS
from util.statistics import interquartile_mean, interval_text, iqm_interval

_FEWEST_TRIALS = 4
_FILMS = ("*.mp4", "*.gif")
Curve = tuple[tuple[float, float], ...]
_RANKS = {Verdict.VERIFIED: 0, Verdict.UNDECIDED: 1, Verdict.REFUTED: 2}


@dataclass(frozen=True)
class Row:
    """
    A configuration.

    :param trial: its screening run
    :param cells: what the table says: trial, verdict or state, score, fresh seeds, score on them,
        parameters
    :param curve: the metric by epoch
    :param film: the newest of its run, relative to the folder of the search
    """

    trial: FrozenTrial
    cells: tuple[str, ...]
    curve: Curve
    film: str | None


@dataclass(frozen=True)
class Summary:
    """
    A search.

    :param name: of the study
    :param command: that started it
    :param sentences: how it goes, or how it ended
    :param rules: what the words and numbers of the table mean
    :param rows: all configurations, the best first
    :param best: number of the best trial, None if none succeeded in anything
    :param shares: importance of each parameter, largest first
    :param metric: whose values runs report, None if they report none
    :param is_over: whether the search has ended
    """

    name: str
    command: str
    sentences: list[str]
    rules: str
    rows: list[Row]
    best: int | None
    shares: dict[str, float]
    metric: str | None
    is_over: bool


def summary_of(
    ledger: Ledger, settings: Settings, config: DictConfig, sweep_dir: Path, news: str, end: str
) -> Summary:
    """
    Gather what is known.

    :param ledger: books trials
    :param settings: of the sweeper
    :param config: of a trial
    :param sweep_dir: folder of the sweep
    :param news: how it goes, or how busy the workers were
    :param end: why it ended; empty while it runs
    """
    race, trials = settings.race, ledger.trials
    done = [one for one in trials if one.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    complete = [one for one in trials if one.state is TrialState.COMPLETE]
    candidates = candidates_of(complete, ledger.fresh_trials)
    winner = best_of(candidates, race)
    stored = ledger.screening.user_attrs.get(SETTINGS, {})
    sentences = [f"It ended: {end}." if end else news, f"{_counts(trials)}."]
    sentences += [_spent(done, ledger.fresh_trials, config), news if end else ""]
    return Summary(
        name=ledger.screening.study_name,
        command=command(),
        sentences=[text for text in sentences if text],
        rules=f"A configuration is verified when {race.n_needed} of at most {race.n_allowed} runs "
        f"on fresh seeds reach the target{_goals(config, settings)}. "
        f"{score_rule(config, _unit(trials))}",
        rows=_rows(trials, candidates, race, sweep_dir, stored),
        best=None if winner is None else winner.number,
        shares=importances(ledger.screening) if end else {},
        metric=stored.get("criterion"),
        is_over=bool(end),
    )


def best_of(candidates: list[Candidate], race: Race) -> Candidate | None:
    """
    Choose the verified configuration with the best score on fresh seeds, else the best single run.

    :param candidates: that finished
    :param race: tells contenders' verdicts
    """
    standing = [one for one in candidates if race.verdict(one) is not Verdict.REFUTED]
    return race.best(candidates) or max(standing, key=lambda one: one.score, default=None)


def markdown(summary: Summary) -> str:
    """
    Write the report.

    :param summary: of a search
    """
    lines = [
        f"# Study {summary.name}",
        "",
        f"`{summary.command}`",
        "",
        " ".join(summary.sentences),
        "",
        summary.rules,
        "",
        "| trial | | screening | fresh seeds | score on fresh seeds: IQM [95 %] | parameters |",
        "|---|---|---|---|---|---|",
        *(f"| {' | '.join(row.cells)} |" for row in summary.rows),
    ]
    if summary.shares:
        lines += ["", "Importance of the parameters (PED-ANOVA), from all screening runs:", ""]
        lines += [f"- `{key}`: {share:.0%}" for key, share in summary.shares.items()]
    return "\n".join([*lines, ""])


def importances(study: optuna.Study) -> dict[str, float]:
    """
    Weigh the parameters.

    :param study: of one objective
    :return: shares by key, largest first; empty if there is too little to tell
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _FEWEST_TRIALS or len({trial.value for trial in complete}) < 2:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    try:
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
    except (RuntimeError, ValueError):  # too many equal values
        return {}


def score_rule(config: DictConfig, unit: str) -> str:
    """
    Say what the scores of our runs mean; ``experiment.run.score`` is the rule.

    :param config: of a trial
    :param unit: that the learner counts
    """
    if "hyperopt_criterion" not in config:
        return ""
    criterion = criteria(config)[0]
    mean = f"its mean {criterion.column} over the budget, as if its last value had lasted"
    if criterion.threshold is None:
        less = "" if criterion.direction is Direction.maximize else "minus "
        return f"The score of a run is {less}{mean}."
    if not criterion.counts_successes:
        mean = f"1 minus what {mean}, lacks to {criterion.threshold:g}"
    return f"The score is 2 - {unit}/budget for a run that reached it, else less than 1: {mean}."


def _unit(trials: list[FrozenTrial]) -> str:
    return next((result_of(one)["unit"] for one in trials if "unit" in result_of(one)), "steps")


def _goals(config: DictConfig, settings: Settings) -> str:
    """Say what the runs on fresh seeds are tested on."""
    if "test_goals" not in config or not has_env(config):
        return ""
    n_rollouts = settings.n_verification_rollouts
    return f", each tested on {n_rollouts} goals of its own, which screening never saw"


def _spent(done: list[FrozenTrial], fresh: list[FrozenTrial], config: DictConfig) -> str:
    """Say what stopping saved of the runs that came to an end; one that failed saved nothing."""
    spent, spent_fresh = (
        sum(result_of(one).get("n_epochs", 0) for one in runs) for runs in (done, fresh)
    )
    full = len(done) * config.get("n_epochs", 0)
    if not full:
        return ""
    return (
        f"Screening took {spent} epochs of {full} (early stopping, cap and pruning saved "
        f"{1 - spent / full:.0%}), runs on fresh seeds {spent_fresh}."
    )


def _counts(trials: list[FrozenTrial]) -> str:
    names = [_state(one) for one in trials]
    counted = [f"{names.count(name)} {name}" for name in dict.fromkeys(names)]
    return f"{len(trials)} trials: {', '.join(counted)}" if trials else "0 trials"


def _state(trial: FrozenTrial) -> str:
    if trial.state is TrialState.WAITING:
        return "queued"
    if trial.state is TrialState.RUNNING:
        return "running"
    if trial.state is TrialState.FAIL:
        return "failed"
    return str(result_of(trial).get("status", "finished"))


def _rows(
    trials: list[FrozenTrial],
    candidates: list[Candidate],
    race: Race,
    sweep_dir: Path,
    monitored: Mapping[str, Any],
) -> list[Row]:
    """List all configurations: verified ones first, then by score, those without one last."""
    judged = {one.number: one for one in candidates}

    def rank(trial: FrozenTrial) -> tuple[float, ...]:
        one = judged.get(trial.number)
        if one is not None:
            return (_RANKS[race.verdict(one)], -(one.fresh_score if one.fresh else one.score))
        has_none = trial.state is not TrialState.PRUNED or trial.value is None
        return (4, trial.number) if has_none else (3, -trial.value)  # type: ignore[operator]

    return [
        Row(
            one,
            _cells(one, judged.get(one.number), race),
            _curve(one, monitored.get("criterion"), 1 if monitored.get("maximize", True) else -1),
            _film(one, sweep_dir),
        )
        for one in sorted(trials, key=rank)
    ]


def _cells(trial: FrozenTrial, candidate: Candidate | None, race: Race) -> tuple[str, ...]:
    seeds = fresh = ""
    state = _state(trial)
    if candidate is not None and candidate.fresh:
        scores = np.array([run.score for run in candidate.fresh])
        low, high = iqm_interval([scores])
        fresh = f"{interquartile_mean(scores):.3f} {interval_text(float(low), float(high))}"
        seeds = f"{sum(run.reached for run in candidate.fresh)} of {len(candidate.fresh)}"
        state = race.verdict(candidate).value
    name = f"{trial.number} {trial.user_attrs.get(ORIGIN, '')}".strip()
    return (name, state, _score(trial), seeds, fresh, params_text(trial.params))


def _curve(trial: FrozenTrial, metric: str | None, sign: int) -> Curve:
    """Read a run's evaluations; of a run of another host, what it has reported."""
    path = Path(run_of(trial).get("dir", "."), EVALUATIONS)
    if metric is not None and path.is_file():
        points = _evaluations(path, metric, path.stat().st_mtime_ns)
    else:
        points = tuple((epoch, sign * y) for epoch, y in trial.intermediate_values.items())
    return tuple(sorted(point for point in points if math.isfinite(point[1])))


@lru_cache(maxsize=10_000)
def _evaluations(path: Path, metric: str, changed: int) -> Curve:  # noqa: ARG001 (tells versions)
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get(metric)]
    return tuple((float(row["epoch"]), float(row[metric])) for row in rows)


def _score(trial: FrozenTrial) -> str:
    if not trial.state.is_finished():
        return f"epoch {trial.last_step}" if trial.last_step else ""
    if trial.value is None:
        return ""
    n_epochs = result_of(trial).get("n_epochs")
    return f"{trial.value:.3f}" + ("" if n_epochs is None else f" in {n_epochs} epochs")


def _film(trial: FrozenTrial, sweep_dir: Path) -> str | None:
    folder = run_of(trial).get("dir")
    if folder is None:
        return None
    films = [path for kind in _FILMS for path in Path(folder, FILMS).glob(kind)]
    newest = max(films, key=lambda path: path.stat().st_mtime, default=None)
    return None if newest is None else os.path.relpath(newest, sweep_dir)
