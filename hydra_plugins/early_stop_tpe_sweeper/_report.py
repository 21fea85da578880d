"""What a sweep leaves: results for programs, a preset for the next run, a report for people."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._page import page_of
from hydra_plugins.early_stop_tpe_sweeper._records import run_of
from hydra_plugins.early_stop_tpe_sweeper._rules import Candidate, Race, Verdict
from hydra_plugins.early_stop_tpe_sweeper._search_space import SearchSpace
from hydra_plugins.early_stop_tpe_sweeper._summary import best_of, markdown, summary_of
from hydra_plugins.early_stop_tpe_sweeper._sweep import End
from hydra_plugins.early_stop_tpe_sweeper._tuned import TUNED, UNVERIFIED, header, tuned, use
from hydra_plugins.early_stop_tpe_sweeper.config import Settings
from interface.run_files import SEARCH_PAGE, SEARCH_RESULTS
from util.atomic_write import atomic_write_text

log = logging.getLogger(__name__)

REPORT = "report.md"


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
    winner = best_of(ledger.candidates(), race)
    idle = f"Workers were idle {idle_share:.1%} of the time while trials remained."
    log.info("the sweep ended: %s; workers were idle %.1f %%", end.value, 100 * idle_share)
    OmegaConf.save(OmegaConf.create(results(ledger, race, winner)), sweep_dir / SEARCH_RESULTS)
    written = [SEARCH_RESULTS]
    if winner is not None:
        params = ledger.trials[winner.number].params
        text = header(_about(ledger, race, winner)) + tuned(params, space, config, preset)
        written.append(_write_preset(sweep_dir, race, winner, text))
    if len(ledger.screening.directions) == 1:
        summary = summary_of(ledger, settings, config, sweep_dir, idle, end.value)
        atomic_write_text(sweep_dir / REPORT, markdown(summary))
        atomic_write_text(sweep_dir / SEARCH_PAGE, page_of(summary, settings.page_seconds))
        written += [REPORT, SEARCH_PAGE]
    log.info("written to %s: %s", sweep_dir, ", ".join(written))
    if winner is not None:
        path, how = sweep_dir / written[1], "verified"
        if not _is_verified(race, winner):
            how = "best, NOT verified"
            log.warning("no configuration is verified: %s may have been lucky once", written[1])
        log.info("%s: trial %d", how, winner.number)
        shown = use(path, space, config)
        if shown is not None:
            log.info("use it: %s", shown)
    elif len(ledger.screening.directions) == 1:
        log.warning("no trial came to an end, so there is no configuration to use")


def _is_verified(race: Race, winner: Candidate) -> bool:
    return race.verdict(winner) is Verdict.VERIFIED


def _write_preset(sweep_dir: Path, race: Race, winner: Candidate, text: str) -> str:
    """Write the winner under a name that says whether it is verified; the other one is old."""
    names = [UNVERIFIED, TUNED]
    kept = names.pop(_is_verified(race, winner))
    atomic_write_text(sweep_dir / kept, text)
    (sweep_dir / names[0]).unlink(missing_ok=True)
    return kept


def _about(ledger: Ledger, race: Race, winner: Candidate) -> str:
    n_reached = sum(run.reached for run in winner.fresh)
    verdict = "verified" if _is_verified(race, winner) else "NOT verified"
    return (
        f"Trial {winner.number} of the study {ledger.screening.study_name}: {verdict}, {n_reached} "
        f"of {len(winner.fresh)} fresh seeds reached the target; {race.n_needed} must."
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
        "verified": _is_verified(race, winner),
    }
