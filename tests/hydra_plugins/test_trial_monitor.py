"""What a search hears of a run: by steps, and the same of a run that was stopped in between."""

from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import Trial

from hydra_plugins.early_stop_tpe_sweeper._founding import found, join
from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._monitor import StudyMonitor
from hydra_plugins.early_stop_tpe_sweeper._monitor_settings import MonitorSettings
from hydra_plugins.early_stop_tpe_sweeper._records import SETTINGS
from interface.run_monitor import StopReason
from util.process_identity import identity

SPACE = {"x": FloatDistribution(0, 1)}
# as studies hold it, those of before included
STORED: dict[str, Any] = {
    **{"budget": 40, "factor": 1.5, "warm_up": 0.25, "n_needed": 3, "n_allowed": 4},
    **{"no_sign_of_life": 0.05, "no_sign_of_life_after": 0.5, "pruner": None},
    **{"criterion": "eval/success_rate", "maximize": True},
}


@pytest.fixture
def trial() -> Trial:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.RandomSampler(0)
    ledger = Ledger(InMemoryStorage(), "s", SPACE, ["maximize"], sampler, identity(), 60.0)
    found(ledger.screening, SPACE, 0, "")
    join(ledger.screening, SPACE, MonitorSettings.from_json(STORED), "")
    started = ledger.ask_screening(1)
    assert started is not None
    return started


def monitor_of(trial: Trial) -> StudyMonitor:
    return StudyMonitor(trial.study._storage, "s", trial._trial_id, False, 0.0)


def metrics_of(distance: float) -> dict[str, float]:
    return {"eval/success_rate": 0.0, "eval/goal_distance": distance}


def test_what_a_study_stores_keeps_its_names_and_what_is_added_is_no_trouble(trial: Trial):
    assert trial.study.user_attrs[SETTINGS] == STORED
    trial.study.set_user_attr(SETTINGS, STORED | {"added": 1})
    assert monitor_of(trial).report(10, metrics_of(2.0)) is None


def test_a_run_that_goes_on_is_judged_like_one_that_never_stopped(trial: Trial):
    first = monitor_of(trial)
    assert first.report(10, metrics_of(2.0)) is None
    second = monitor_of(trial)
    second.recall(metrics_of(2.0))
    assert second.report(15, metrics_of(1.0)) is None
    assert trial.study.trials[0].intermediate_values == {10: -0.001, 15: -0.0005}


@pytest.mark.parametrize(
    ("epochs", "reason"),
    [((4, 8, 12), None), ((4, 20), StopReason.PRUNED), ((16, 32), StopReason.PRUNED)],
)
def test_signs_of_life_are_asked_for_by_steps(trial: Trial, epochs, reason):
    """Half of the budget is 20 epochs, however many evaluations were made until then."""
    monitor = monitor_of(trial)
    heard = [monitor.report(epoch, metrics_of(1.0)) for epoch in epochs]
    assert heard == [*[None] * (len(epochs) - 1), reason]
