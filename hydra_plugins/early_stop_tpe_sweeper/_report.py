"""What a sweep leaves: results for programs, a preset for the next run, a report for people."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState

from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._pictures import importances, write_html
from hydra_plugins.early_stop_tpe_sweeper._records import ORIGIN, candidate_of, result_of, run_of
from hydra_plugins.early_stop_tpe_sweeper._rules import Candidate, Race, Verdict
from hydra_plugins.early_stop_tpe_sweeper._search_space import SearchSpace
from hydra_plugins.early_stop_tpe_sweeper._sweep import End
from hydra_plugins.early_stop_tpe_sweeper._table import params_text
from hydra_plugins.early_stop_tpe_sweeper._tuned import TUNED, command, header, tuned, use
from hydra_plugins.early_stop_tpe_sweeper.config import Settings
from interface.config import Direction, has_env
from interface.objective import criteria
from util.atomic_write import atomic_write_text
from util.statistics import interquartile_mean, interval_text, iqm_interval

log = logging.getLogger(__name__)

RESULTS, REPORT = "optimization_results.yaml", "report.md"
_N_BEST = 5


def write_report(
    sweep_dir: Path,
    ledger: Ledger,
    settings: Settings,
    space: SearchSpace,
    idle_share: float,
    end: End,
    config: DictConfig,
    preset: Mapping[str, Any],
) -> None:
    """
    Write all that a sweep leaves, and say where.

    :param sweep_dir: folder of the sweep
    :param ledger: books trials
    :param settings: of the sweeper
    :param space: what was searched
    :param idle_share: of the workers while trials remained
    :param end: why the sweep ended
    :param config: of a trial
    :param preset: what the preset changed that the search began with
    """
    race = settings.race
    winner = winner_of(ledger, race)
    log.info("the sweep ended: %s; workers were idle %.1f %%", end.value, 100 * idle_share)
    OmegaConf.save(OmegaConf.create(results(ledger, race, winner)), sweep_dir / RESULTS)
    written = [RESULTS]
    if winner is not None:
        params = ledger.trials[winner.number].params
        text = header(_about(ledger, race, winner)) + tuned(params, space, config, preset)
        atomic_write_text(sweep_dir / TUNED, text)
        written.append(TUNED)
    if len(ledger.screening.directions) == 1:
        text = report(ledger, settings, idle_share, end, config)
        atomic_write_text(sweep_dir / REPORT, text)
        written += [REPORT, *write_html(sweep_dir, ledger.screening, text)]
    log.info("written to %s: %s", sweep_dir, ", ".join(written))
    if winner is not None:
        verified = race.verdict(winner) is Verdict.VERIFIED
        log.info("%s: trial %d", "verified" if verified else "best, NOT verified", winner.number)
        how = use(sweep_dir / TUNED, space, config)
        if how is not None:
            log.info("use it: %s", how)


def winner_of(ledger: Ledger, race: Race) -> Candidate | None:
    """
    Choose the verified configuration with the best score on fresh seeds, else the best single run.

    :param ledger: books trials
    :param race: tells contenders' verdicts
    """
    candidates = ledger.candidates()
    standing = [one for one in candidates if race.verdict(one) is not Verdict.REFUTED]
    return race.best(candidates) or max(standing, key=lambda one: one.score, default=None)


def _about(ledger: Ledger, race: Race, winner: Candidate) -> str:
    n_reached = sum(run.reached for run in winner.fresh)
    return (
        f"Trial {winner.number} of the study {ledger.screening.study_name}: "
        f"{race.verdict(winner).value}, {n_reached} of {len(winner.fresh)} fresh seeds reached the "
        f"target."
    )


def results(ledger: Ledger, race: Race, winner: Candidate | None) -> dict[str, Any]:
    """
    Make the stock sweeper's results, with trial and run added.

    :param ledger: books trials
    :param race: tells contenders' verdicts
    :param winner: the configuration to use
    """
    if len(ledger.screening.directions) > 1:
        return {
            "name": "optuna",
            "solutions": [
                {"params": one.params, "values": one.values, "trial": one.number}
                for one in ledger.screening.best_trials
            ],
        }
    if winner is None:
        return {"name": "optuna", "best_params": {}, "best_value": None}
    trial = ledger.trials[winner.number]
    return {
        "name": "optuna",
        "best_params": trial.params,
        "best_value": trial.value,
        "best_trial": trial.number,
        "run_dir": run_of(trial)["dir"],
        "verified": race.verdict(winner) is Verdict.VERIFIED,
    }


def report(
    ledger: Ledger, settings: Settings, idle_share: float, end: End, config: DictConfig
) -> str:
    """
    Write the report.

    :param ledger: books trials
    :param settings: of the sweeper
    :param idle_share: of the workers while trials remained
    :param end: why the sweep ended
    :param config: of a trial
    """
    race, trials, fresh = settings.race, ledger.trials, ledger.fresh_trials
    budget = config.get("n_epochs", 0)
    spent = sum(result_of(one).get("n_epochs", 0) for one in trials)
    spent_fresh = sum(result_of(one).get("n_epochs", 0) for one in fresh)
    n_finished = sum(one.state.is_finished() for one in trials)
    lines = [
        f"# Study {ledger.screening.study_name}",
        "",
        f"`{command()}`",
        "",
        f"It ended: {end.value}. {_counts(trials)}. "
        f"Screening took {spent} epochs of {n_finished * budget} (early stopping, cap and pruning "
        f"saved {1 - spent / max(1, n_finished * budget):.0%}), runs on fresh seeds {spent_fresh}. "
        f"Workers were idle {idle_share:.1%} of the time while trials remained.",
        "",
        f"A configuration is verified when {race.n_needed} of at most {race.n_allowed} runs on "
        f"fresh seeds reach the target{_goals(config, settings)}. "
        f"{score_rule(config, _unit(trials))}",
        "",
        "| trial | | screening | fresh seeds | score on fresh seeds: IQM [95 %] | parameters |",
        "|---|---|---|---|---|---|",
        *(_row(one, trials[one.number], race) for one in _shown(ledger, race)),
    ]
    shares = importances(ledger.screening)
    if shares:
        lines += ["", "Importance of the parameters (PED-ANOVA), from all screening runs:", ""]
        lines += [f"- `{key}`: {share:.0%}" for key, share in shares.items()]
    return "\n".join([*lines, ""])


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


def _counts(trials: list[FrozenTrial]) -> str:
    names = [
        "queued"
        if one.state in (TrialState.WAITING, TrialState.RUNNING)
        else "failed"
        if one.state is TrialState.FAIL
        else str(result_of(one).get("status", "finished"))
        for one in trials
    ]
    counted = [f"{names.count(name)} {name}" for name in dict.fromkeys(names)]
    return f"{len(trials)} trials: " + ", ".join(counted)


def _shown(ledger: Ledger, race: Race) -> list[Candidate]:
    """List the best configurations and the defaults, verified ones first."""
    ranks = {Verdict.VERIFIED: 0, Verdict.UNDECIDED: 1, Verdict.REFUTED: 2}
    ordered = sorted(
        ledger.candidates(),
        key=lambda one: (
            ranks[race.verdict(one)],
            -(one.fresh_score if one.fresh else one.score),
        ),
    )
    pruned = [one for one in ledger.trials if one.state is TrialState.PRUNED]
    ordered += [candidate_of(one, []) for one in pruned]
    known = [one for one in ordered if ORIGIN in ledger.trials[one.number].user_attrs]
    return [*ordered[:_N_BEST], *(one for one in known if one not in ordered[:_N_BEST])]


def _row(one: Candidate, trial: FrozenTrial, race: Race) -> str:
    scores = np.array([run.score for run in one.fresh])
    if scores.size:
        low, high = iqm_interval([scores])
        fresh = f"{interquartile_mean(scores):.3f} {interval_text(float(low), float(high))}"
        seeds = f"{sum(run.reached for run in one.fresh)} of {len(one.fresh)}"
    else:
        fresh, seeds = "", ""
    verdict = race.verdict(one).value if one.fresh else result_of(trial).get("status", "")
    return (
        f"| {one.number} {trial.user_attrs.get(ORIGIN, '')} | {verdict} | {one.score:.3f} in "
        f"{one.n_epochs} epochs | {seeds} | {fresh} | {params_text(trial.params)} |"
    )
