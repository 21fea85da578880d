"""The rules of a search: verification, epoch cap, pruning, search spaces. Tables, no Hydra run."""

import json
import math
import os
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from hydra_plugins.early_stop_tpe_sweeper._executor import remove_empty_joblib_folders
from hydra_plugins.early_stop_tpe_sweeper._outcome import outcome_of
from hydra_plugins.early_stop_tpe_sweeper._plan import Cost, seconds_per_epoch
from hydra_plugins.early_stop_tpe_sweeper._rules import (
    Candidate,
    EpochCap,
    FreshRun,
    Race,
    Verdict,
    shows_no_sign_of_life,
)
from hydra_plugins.early_stop_tpe_sweeper._search_space import (
    configured_space,
    fitting,
    parse,
    remarks,
    values_in,
)
from hydra_plugins.early_stop_tpe_sweeper._summary import best_of
from hydra_plugins.early_stop_tpe_sweeper.config import Settings, check_settings, read_settings
from interface.algorithm import AlgorithmSpec
from interface.errors import UserError
from interface.learner import Unit
from interface.result import RunResult, Status
from tests.running import CONF, hydra_main

BAD_NAMES = ("../../x", "a/b", "a\\b", "..", ".", "", "/etc/x", "a\nb")
RACE = Race(n_needed=3, n_allowed=4)
FINISHED = Status.FINISHED
SCORES: Any = (np.float32(0.5),)  # as a task of somebody may return them
N_STEPS: Any = (np.int64(3), np.int64(9))
CAP = EpochCap(budget=40, factor=1.5, warm_up=0.25)


def composed_sweeper(*overrides: str) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF)):
        overridden = ["hydra/sweeper=early_stop_tpe", "hydra.sweep.dir=x", *overrides]
        config = compose("main", overrides=overridden, return_hydra_config=True)
    return config.hydra.sweeper


@pytest.fixture(scope="module")
def shipped() -> Settings:
    return read_settings(composed_sweeper())


def candidate(
    fresh: str = "", *, number: int = 0, n_epochs: int = 10, score: float = 1.5, racing: int = 0
) -> Candidate:
    """Each letter of ``fresh`` is a run on a fresh seed: + reached the target, - did not."""
    runs = tuple(FreshRun(letter == "+", 1.5 * (letter == "+"), n_epochs) for letter in fresh)
    return Candidate(number, True, score, n_epochs, runs, racing)


@pytest.mark.parametrize(
    ("fresh", "verdict", "n_to_start"),
    [
        ("", Verdict.UNDECIDED, 3),
        ("+", Verdict.UNDECIDED, 2),
        ("-", Verdict.UNDECIDED, 3),
        ("++", Verdict.UNDECIDED, 1),
        ("+-", Verdict.UNDECIDED, 2),
        ("--", Verdict.REFUTED, 0),
        ("+++", Verdict.VERIFIED, 0),
        ("++-", Verdict.UNDECIDED, 1),
        ("-+++", Verdict.VERIFIED, 0),
        ("+-+-", Verdict.REFUTED, 0),
    ],
)
def test_a_race_is_decided_as_early_as_it_is_certain(fresh, verdict, n_to_start):
    assert RACE.verdict(candidate(fresh)) is verdict
    assert RACE.n_to_start(candidate(fresh)) == n_to_start


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 6), st.integers(0, 4))
def test_every_race_ends_with_a_verdict(outcomes, n_needed, n_more):
    race = Race(n_needed, n_needed + n_more)
    fresh = ""
    for reached in outcomes + [True] * race.n_allowed:
        if race.verdict(candidate(fresh)) is not Verdict.UNDECIDED:
            assert race.n_to_start(candidate(fresh)) == 0
            break
        assert race.n_to_start(candidate(fresh)) >= 1
        fresh += "+" if reached else "-"
    assert len(fresh) <= race.n_allowed
    expected = Verdict.VERIFIED if fresh.count("+") >= n_needed else Verdict.REFUTED
    assert race.verdict(candidate(fresh)) is expected


def test_running_fresh_runs_are_not_started_twice():
    assert RACE.n_to_start(candidate("+", racing=2)) == 0
    assert RACE.n_to_start(candidate("-", racing=1)) == 2


def test_only_contenders_that_may_improve_race_on():
    verified = candidate("+++", number=1, score=1.9)  # 1.5 on fresh seeds
    better, worse = candidate(number=2, score=1.7), candidate(number=3, score=1.4)
    assert RACE.undecided([worse, better]) == [better, worse]
    assert RACE.undecided([verified, worse, better]) == [better]
    assert RACE.best([verified, worse, better]) is verified


@given(
    st.lists(
        st.tuples(st.floats(0, 2), st.booleans(), st.text("+-", min_size=4, max_size=4)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 4),
)
def test_who_wins_was_never_given_up(trials, n_races_between):
    known: list[Candidate] = []
    open_before = []

    def race(n_runs: int) -> None:
        for _ in range(n_runs):
            for one in RACE.undecided(known)[:1]:
                reached = trials[one.number][2][len(one.fresh)] == "+"
                fresh = (*one.fresh, FreshRun(reached, float(reached), 10))
                known[one.number] = replace(one, fresh=fresh)
            open_before.append((len(known), {one.number for one in RACE.open_to_win(known)}))

    for number, (score, reached, _) in enumerate(trials):
        known.append(Candidate(number, reached, score, 10))
        race(n_races_between)
    race(RACE.n_allowed * len(known))
    winner = best_of(known, RACE)
    if winner is not None:
        assert all(
            winner.number in kept for n_known, kept in open_before if winner.number < n_known
        )


@pytest.mark.parametrize(
    ("candidates", "cap"),
    [
        ([], 40),
        ([candidate(n_epochs=20)], 30),
        ([candidate(n_epochs=4)], 10),
        ([candidate(n_epochs=30)], 40),
        ([candidate("--", n_epochs=10)], 40),
        ([candidate("--", n_epochs=10), candidate(n_epochs=20, number=1)], 30),
        ([candidate("+++", n_epochs=20), candidate(n_epochs=10, number=1)], 30),
    ],
    ids=["nothing", "one", "warm-up", "budget", "refuted", "relaxed", "verified counts"],
)
def test_the_learned_epoch_cap(candidates, cap):
    assert CAP(candidates, RACE) == cap


@given(st.lists(st.tuples(st.integers(1, 40), st.text("+-", max_size=4)), max_size=6))
def test_the_cap_lies_between_warm_up_and_budget(pairs):
    candidates = [candidate(fresh, n_epochs=n) for n, fresh in pairs]
    assert CAP.n_warm_up <= CAP(candidates, RACE) <= CAP.budget


@pytest.mark.parametrize(
    ("successes", "distances", "hopeless"),
    [
        ([0, 0, 0, 0], [1.0, 1.0, 1.0, 1.0], True),
        ([0, 0, 0, 0], [1.0, 0.9, 0.8, 0.7], False),
        ([0, 0, 0.1, 0], [1.0, 1.0, 1.0, 1.0], False),
        ([0, 0], [], False),
        ([0], [1.0], False),
        ([0, 0, 0], [1.0, 2.0, 3.0], True),
    ],
)
def test_no_sign_of_life(successes, distances, hopeless):
    assert shows_no_sign_of_life(successes, distances, 0.05) is hopeless


def test_search_spaces_are_parsed_as_the_stock_sweeper_does():
    space = parse(
        {"a": "tag(log, interval(1e-4, 1e-2))", "b": "choice(1,2)", "fixed": "range(1,5)"},
        ["c=int(interval(1,8))", "fixed=3", "env=X-v0"],
    )
    assert space.distributions == {
        "a": FloatDistribution(1e-4, 1e-2, log=True),
        "b": CategoricalDistribution((1, 2)),
        "c": IntDistribution(1, 8),
    }
    assert space.fixed == ["fixed=3", "env=X-v0"]
    assert space.overrides({"a": 0.01})[-1] == "a=0.01"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "nothing to search"),
        ({"a": "interval(1.0,1.0)"}, "one possible value"),
        ({"a": "tag(log, interval(0.0, 1.0))"}, "not possible.*low"),
        ({"a": "interval(2.0, 1.0)"}, "not possible"),
        ({"a": "glob(*)"}, "not possible"),
    ],
)
def test_impossible_spaces_are_refused(params, message):
    with pytest.raises(UserError, match=message):
        parse(params, [])


def test_a_key_that_is_deleted_is_not_searched():
    space = parse({"a.gamma": "choice(0.9,0.95)", "b": "choice(1,2)"}, ["~a.gamma"])
    assert [*space.distributions] == ["b"]
    assert space.fixed == ["~a.gamma"]


def test_dubious_spaces_are_remarked():
    config = OmegaConf.create({"sac": {"buffer_size": 100, "batch_size": 64}})
    space = parse(
        {
            "sac.gamma": "interval(0.9,0.99)",
            "sac.batch_size": "range(32, 257, 32)",
            "lr": "interval(0.0001, 0.1)",
        },
        [],
    )
    found = "\n".join(remarks(space, config))
    assert "same horizon" in found
    assert "sac.buffer_size=100" in found
    assert "lr spans 1000x linearly" in found


def test_the_default_space_follows_the_layers():
    config = OmegaConf.create(
        {
            "algorithm": {"layer_classes": ["td3"], "learners": {"sac": {}, "td3": {}}},
            "search_space": {"algorithm.learners.*.tau": "interval(0.1,0.2)"},
        }
    )
    expected = {"algorithm.learners.td3.tau": "interval(0.1,0.2)"}
    assert configured_space(config, None, []) == expected
    assert configured_space(config, None, ["x=choice(1,2)"]) == {}
    assert configured_space(config, {"y": "choice(1,2)"}, []) == {"y": "choice(1,2)"}


def test_the_defaults_are_found_in_the_space():
    space = parse({"a": "interval(0.0,1.0)", "b": "choice([64,64],[8])", "c": "choice(1,2)"}, [])
    config = OmegaConf.create({"a": 2, "b": [64, 64], "c": 7})
    params, others = fitting(values_in(config, space), space)
    assert params == {"b": "[64,64]"}
    assert others == {"a": "a=2 is not in 0.0 to 1.0", "c": "c=7 is not in 1, 2"}


@pytest.mark.parametrize("value", [0, 0.0, -1, math.nan, math.inf])
@pytest.mark.parametrize("interval", ["interval(0.001,0.1)", "int(interval(1,8))"])
def test_a_default_outside_a_logarithmic_range_is_told(value: float, interval: str):
    space = parse({"a": f"tag(log,{interval})"}, [])
    params, others = fitting({"a": value}, space)
    assert not params
    assert others["a"].startswith(f"a={value} is not in ")


@pytest.mark.parametrize("algorithm", ["dqn", "hac", "her", "ppo", "sac", "td3", "tqc"])
def test_the_defaults_of_each_algorithm_are_held_against_its_space(algorithm: str, tmp_path: Path):
    fits = {"dqn": "CartPole-v1", "ppo": "CartPole-v1"}.get(algorithm, "PointReach-v0")
    with hydra_main([f"algorithm={algorithm}", f"env={fits}"], tmp_path) as config:
        space = parse(configured_space(config, None, []), [])
        params, others = fitting(values_in(config, space), space)
    assert params.keys() | others.keys() == space.distributions.keys()


@pytest.mark.parametrize(
    ("value", "expected", "status"),
    [
        (RunResult((1.5,), Status.SUCCESS, 3, 300), [1.5], Status.SUCCESS),
        (RunResult(SCORES, FINISHED, *N_STEPS), [0.5], FINISHED),
        (0.25, [0.25], None),
        ("0.5", [0.5], None),
        (math.nan, [-1.0], None),
        (None, None, None),
        ((1, 2), None, None),
        ({"a": 1}, None, None),
    ],
)
def test_what_a_task_returns(value, expected, status):
    outcome = outcome_of(value, [-1.0])
    assert (outcome.values, outcome.status) == (expected, status)
    assert (outcome.error is None) == (expected is not None)
    json.dumps([outcome.values, outcome.attributes])  # as a journal does


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_trials": 0}, "n_trials=0 must be at least 1"),
        ({"warm_up": 1.5}, r"must be in \[0, 1\]"),
        ({"epoch_factor": 0.5}, "epoch_factor=0.5 must be at least 1"),
        ({"max_trials_per_param": 2}, "at least min_trials_per_param=3"),
        *(({"study_name": name}, "must be a name without slashes") for name in BAD_NAMES),
        ({"direction": "up"}, "direction=up must be maximize or minimize"),
    ],
)
def test_settings_out_of_range(change, message, shipped: Settings):
    settings = replace(shipped, study_name="a name, with $ and 'quotes'")
    check_settings(settings)
    with pytest.raises(UserError, match=message):
        check_settings(replace(settings, **change))


def test_settings_are_what_hydra_composed():
    overrides = ["hydra.sweeper.n_trials=7", "hydra.sweeper.direction=[maximize,minimize]"]
    found = read_settings(composed_sweeper(*overrides))
    assert (found.n_trials, found.directions) == (7, ["maximize", "minimize"])
    assert found.race == RACE
    assert found.pruner["_target_"].endswith("SuccessiveHalvingPruner")
    with pytest.raises(FrozenInstanceError):
        found.n_trials = 8  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hydra.sweeper.n_trial=7", "n_trial"),
        ("hydra.sweeper.n_trials=many", "Integer"),
        ("hydra.sweeper.n_trials=null", "not Optional"),
    ],
)
def test_hydra_refuses_settings_that_there_are_not_or_of_another_type(override, message):
    with pytest.raises(ConfigCompositionException) as error:
        composed_sweeper(override)
    assert message in str(error.value.__cause__)


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "search_space").iterdir()))
def test_every_search_space_fits_its_algorithm(name):
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF)):
        algorithm, _, memory = name.partition("_")
        chosen = [f"algorithm={algorithm}", f"search_space={name}", "env=PointReach-v0"]
        chosen += ["network/cell=gru"] if memory else []
        config = compose("main", overrides=chosen)
        space = parse(configured_space(config, None, []), [])
        assert remarks(space, config) == []
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
        params = study.ask(space.distributions).params
        trial = compose("main", overrides=[*chosen, *space.overrides(params)])
        AlgorithmSpec.of(trial.algorithm)
        assert set(values_in(config, space)) <= set(space.distributions)


@pytest.mark.parametrize("unit", ["steps", "updates"])
def test_what_a_plan_says(unit: Unit):
    cost = Cost(
        n_trials=20,
        budget=12,
        n_fresh=4,
        steps_per_epoch=500,
        seconds_per_epoch=2.4,
        seconds_per_fresh_epoch=3.6,
        seconds_per_run=0.0,
        n_workers=2,
        unit=unit,
    )
    said = "\n".join(cost.lines())
    assert "an epoch takes 2.4 s here, 3.6 s on a fresh seed" in said
    assert f"20 trials of at most 12 epochs of 500 {unit}" in said
    assert f"expected: 43,200 {unit} in 1.9 min" in said
    assert f"screening alone: 120,000 {unit} in 4.8 min" in said
    assert "33.6 min" in said


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([(0, 0.0), (1, 9.0), (2, 11.0), (3, 13.0)], 2.0),  # a slow start
        ([(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.0)], 0.0),
        ([(0, 1.0), (2, 5.0)], 2.0),  # a rollout longer than an epoch
        ([(0, 1.0), (3, 7.0)], 2.0),
        ([], 4.0),  # of another host
    ],
)
def test_an_epoch_is_measured_within_one_run(times, seconds):
    assert seconds_per_epoch(times, 3, 12.0) == seconds


def test_empty_folders_of_joblib_go_after_each_launch(tmp_path: Path):
    ours = f"joblib_memmapping_folder_{os.getpid()}_"
    for name in (f"{ours}a", f"{ours}b", "joblib_memmapping_folder_1_c", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / f"{ours}b" / "array").touch()
    remove_empty_joblib_folders(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"{ours}b", "joblib_memmapping_folder_1_c", "other"}
