"""What two sweepers on one study agree on, without processes and without waiting."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import TrialState

from hydra_plugins.early_stop_tpe_sweeper._founding import found, is_founded, join
from hydra_plugins.early_stop_tpe_sweeper._identity import Liveness
from hydra_plugins.early_stop_tpe_sweeper._ledger import Ledger
from hydra_plugins.early_stop_tpe_sweeper._monitor import StudyMonitor
from hydra_plugins.early_stop_tpe_sweeper._monitor_settings import MonitorSettings
from hydra_plugins.early_stop_tpe_sweeper._outcome import outcome_of
from hydra_plugins.early_stop_tpe_sweeper._records import RUN
from hydra_plugins.early_stop_tpe_sweeper._rules import Race
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from interface.result import RunResult, Status
from interface.run_monitor import RunLostError
from util.process_identity import identity

SPACE = {"x": FloatDistribution(0.0, 1.0)}
RACE = Race(n_needed=3, n_allowed=4)
SETTINGS = MonitorSettings(4, 1.5, 0.25, None, 0.5, 3, 4, None, True, None)
SUCCESS = outcome_of(RunResult((1.5,), Status.SUCCESS, 2, 2), [-1.0])


def sweeper(storage: BaseStorage, name: str, commit: str = "") -> Ledger:
    """A sweeper of another host: its name is none of ours."""
    sampler = optuna.samplers.RandomSampler(0)
    ledger = Ledger(storage, "s", SPACE, ["maximize"], sampler, f"{name}:1:1.0", 0.0, commit)
    if ledger.is_founder:
        found(ledger.screening, SPACE, 7, commit, [({"x": 0.5}, "default")])
    assert is_founded(ledger.screening, 10)
    assert join(ledger.screening, SPACE, SETTINGS, commit) == 7
    return ledger


@pytest.fixture(params=["memory", "journal", "sqlite"])
def make_storage(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], BaseStorage]:
    if request.param == "memory":
        one = InMemoryStorage()
        return lambda: one
    path = {"journal": f"{tmp_path}/study.journal", "sqlite": f"sqlite:///{tmp_path}/study.db"}
    return lambda: open_storage(path[request.param])


def test_together_they_start_each_trial_once(make_storage):
    def work(name: str) -> list[int]:
        ledger, started = sweeper(make_storage(), name), []
        while (trial := ledger.ask_screening(12)) is not None:
            started.append(trial.number)
            ledger.tell(trial, SUCCESS)
        return started

    with ThreadPoolExecutor(3) as pool:
        shares = list(pool.map(work, "abc"))
    assert sorted(number for share in shares for number in share) == list(range(12))
    trials = sweeper(make_storage(), "d").trials
    assert [one.params["x"] == 0.5 for one in trials].count(True) == 1


def test_a_contender_does_not_race_more_often_than_needed(make_storage):
    first = sweeper(make_storage(), "a")
    first.tell(first.ask_screening(1), SUCCESS)  # type: ignore[arg-type]
    (contender,) = first.contenders()
    ledgers = [first, sweeper(make_storage(), "b"), sweeper(make_storage(), "c")]
    asked = [ledger.ask_racing(contender, RACE) for ledger in ledgers for _ in range(2)]
    assert sum(trial is not None for trial in asked) == 3
    assert {trial.params["x"] for trial in asked if trial is not None} == {0.5}


def test_a_fresh_run_that_was_begun_is_finished_though_its_race_is_over(make_storage):
    """Killed while another configuration was verified, it would wait for ever."""
    first = sweeper(make_storage(), "a")
    first.tell(first.ask_screening(1), SUCCESS)  # type: ignore[arg-type]
    (contender,) = first.contenders()
    begun, surplus = (first.ask_racing(contender, RACE) for _ in range(2))
    assert begun is not None
    assert surplus is not None
    begun.set_user_attr(RUN, {"dir": "somewhere"})
    for trial in (begun, surplus):
        first.requeue(trial)
    assert first.ask_screening(1) is None
    again = first.ask_begun()
    assert again is not None
    assert again.number == begun.number
    assert first.holds(again)
    assert first.ask_begun() is None


def test_who_was_silent_loses_his_trial_and_cannot_book_it(make_storage):
    silent, other = sweeper(make_storage(), "a"), sweeper(make_storage(), "b")
    trial = silent.ask_screening(2)
    assert trial is not None
    monitor = StudyMonitor(make_storage(), "s", trial._trial_id, False, 0.0)
    assert monitor.report(1, {"eval/success_rate": 0.0}) is None
    assert other.requeue_orphans() == [trial.number]
    assert not silent.holds(trial)
    with pytest.raises(RunLostError, match="another sweeper took over trial 0"):
        monitor.report(2, {"eval/success_rate": 0.0})
    taken = other.ask_screening(2)
    assert taken is not None
    assert taken.number == trial.number
    assert other.holds(taken)
    assert not silent.holds(trial)
    other.tell(taken, SUCCESS)
    assert not silent.holds(trial)
    with pytest.raises(RunLostError, match="another sweeper took over trial 0"):
        monitor.report(3, {"eval/success_rate": 0.0})


def test_a_study_whose_founder_died_here_is_completed_at_once():
    storage, place = InMemoryStorage(), identity().rsplit(":", 2)[0]
    half = Ledger(storage, "s", SPACE, ["maximize"], None, f"{place}:4194999:1.00", 60.0)
    assert not is_founded(half.screening, timeout_seconds=1000)


def test_another_version_of_the_code_is_told(caplog: pytest.LogCaptureFixture):
    storage = InMemoryStorage()
    sweeper(storage, "a", commit="0123456789abcdef")
    sweeper(storage, "b", commit="fedcba9876543210")
    assert "begun by commit 0123456789 of the code, this host has fedcba9876" in caplog.text


def test_a_trial_that_somebody_is_about_to_take_is_left_alone():
    storage = InMemoryStorage()
    ledger = Ledger(storage, "s", SPACE, ["maximize"], None, "here:1:1.0", 60.0)
    ledger.screening.ask()
    assert ledger.requeue_orphans() == []
    assert ledger.trials[0].state is TrialState.RUNNING


def test_silence_is_measured_by_our_own_clock_and_looks(monkeypatch: pytest.MonkeyPatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    liveness, name = Liveness(120.0), "other:1:1.0"

    def after(seconds: float, beat: int) -> bool:
        now[0] += seconds
        return liveness.lives(name, {name: beat})

    assert after(0, 1)
    assert after(100, 2)  # it beat
    assert after(5000, 2)  # nobody could look: the storage was away
    assert after(5000, 3)
    assert [after(30, 3) for _ in range(4)] == [True, True, True, False]
    assert after(30, 4)  # it was only slow
