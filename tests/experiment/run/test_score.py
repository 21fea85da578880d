"""What a run is worth: by environment steps, by one rule for every metric."""

import math

import pytest
from omegaconf import DictConfig, OmegaConf

from experiment.run.early_stopping import EarlyStopping
from experiment.run.score import WORST_SCORE, score, scores
from experiment.run_folder.metric_history import MetricHistory
from interface.config import Direction
from interface.errors import UserError
from interface.metrics import (
    EVAL_GOAL_DISTANCE,
    EVAL_LENGTH,
    EVAL_RETURN,
    EVAL_SUCCESS_EVER,
    EVAL_SUCCESS_RATE,
)
from interface.objective import Budget, Criterion, criteria
from interface.result import Status

BUDGET = Budget(n_epochs=8, epoch_steps=500)
SUCCESS = Criterion(EVAL_SUCCESS_RATE, Direction.maximize, 0.9)


def history_of(key: str, values: list[float], every: int = 500) -> MetricHistory:
    history = MetricHistory()
    for i, value in enumerate(values):
        step = every * (i + 1)
        history.append(BUDGET.epoch_at(step), step, {key: value})
    return history


def config(**changes: object) -> DictConfig:
    return OmegaConf.create(
        {
            "n_epochs": BUDGET.n_epochs,
            "eval_after_n_steps": BUDGET.epoch_steps,
            "early_stop_data_column": EVAL_SUCCESS_RATE,
            "early_stop_threshold": 0.9,
            "early_stop_last_n": 2,
            "early_stop_direction": Direction.maximize,
            "hyperopt_criterion": EVAL_SUCCESS_RATE,
            "hyperopt_direction": None,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("values", "every", "status", "expected"),
    [
        ([0.9, 0.9], 500, Status.SUCCESS, 1.75),
        ([0.9, 0.9], 125, Status.SUCCESS, 2 - 250 / 4000),
        ([0.9, 0.9], 2000, Status.SUCCESS, 1.0),
        ([0.9, 0.9], 3000, Status.SUCCESS, 1.0),  # the last rollout went beyond the budget
        ([0.2] * 8, 500, Status.FINISHED, 0.2),
        ([0.0] * 4 + [0.4] * 4, 500, Status.FINISHED, 0.2),
        ([0.4], 500, Status.PRUNED, 0.4),  # the last value lasts
        ([0.4], 500, Status.CAPPED, 0.401),  # it was not seen to fail
        ([1.0] * 8, 500, Status.FINISHED, math.nextafter(1, 0)),
        ([1.0], 500, Status.CAPPED, math.nextafter(1, 0)),
        ([0.5, 0.5], 500, Status.DIVERGED, WORST_SCORE),
        ([math.nan], 500, Status.FINISHED, WORST_SCORE),
        ([], 500, Status.INTERRUPTED, WORST_SCORE),
    ],
)
def test_success(values, every, status, expected):
    history = history_of(EVAL_SUCCESS_RATE, values, every)
    assert score(SUCCESS, BUDGET, history, status) == pytest.approx(expected, rel=0, abs=1e-15)


@pytest.mark.parametrize("every", [125, 500, 1000, 2000, 4000])
def test_rare_evaluations_neither_pay_nor_cost(every: int):
    values = [0.8 * step / 4000 for step in range(every, 4001, every)]  # one way of learning
    history = history_of(EVAL_SUCCESS_RATE, values, every)
    assert score(SUCCESS, BUDGET, history, Status.FINISHED) == pytest.approx(0.45)


@pytest.mark.parametrize(
    "lengths",
    [(125, 512, 2048), (1, 500), (512, 2048, 4096, 8192)],
    ids=["n_steps of ppo", "train_freq of her", "a longer budget"],
)
def test_fewer_steps_to_the_target_score_higher(lengths):
    budget, target = Budget(n_epochs=30, epoch_steps=200), EarlyStopping.from_config(config())
    found = []
    for length in lengths:
        history, step = MetricHistory(), 0
        while not target.reached(history):
            step += length
            if step // budget.epoch_steps > history.last_epoch:  # between rollouts only
                share = float(step > 300)  # the same agent, whatever its rollouts
                history.append(budget.epoch_at(step), step, {EVAL_SUCCESS_RATE: share})
        found.append((step, score(SUCCESS, budget, history, Status.SUCCESS)))
    steps, values = zip(*found, strict=True)
    assert list(steps) == sorted(set(steps))
    assert list(values) == sorted(values, reverse=True)
    assert len(set(values)) == len({min(step, budget.n_steps) for step in steps})


FAST, SLOW = [-200.0, -10.0, -10.0], [-60.0] * 5 + [-15.0, -10.0, -10.0]


@pytest.mark.parametrize("threshold", [-12.0, None])
def test_ending_early_for_success_costs_nothing(threshold: float | None):
    criterion = Criterion(EVAL_RETURN, Direction.maximize, threshold)
    runs = {
        "fast": (FAST, Status.SUCCESS),
        "slow": (SLOW, Status.SUCCESS),
        "pruned": (SLOW[:2], Status.PRUNED),
        "capped": (SLOW[:4], Status.CAPPED),
        "diverged": (FAST, Status.DIVERGED),
    }
    found = {
        name: score(criterion, BUDGET, history_of(EVAL_RETURN, values), status)
        for name, (values, status) in runs.items()
    }
    assert found["fast"] > found["slow"] > max(found["pruned"], found["capped"])
    assert found["diverged"] < min(found["pruned"], found["capped"])


@pytest.mark.parametrize(
    ("criterion", "values", "status", "expected"),
    [
        ((EVAL_RETURN, "maximize", -12.0), FAST, Status.SUCCESS, 2 - 3 / 8),
        ((EVAL_RETURN, "maximize", -12.0), [-60.0], Status.PRUNED, 1 - 48),
        ((EVAL_RETURN, "maximize", -12.0), [0.0], Status.CAPPED, math.nextafter(1, 0)),
        ((EVAL_RETURN, "maximize", None), FAST, Status.SUCCESS, (-200 - 7 * 10) / 8),
        ((EVAL_LENGTH, "minimize", 20.0), [30.0, 20.0], Status.SUCCESS, 1.75),
        ((EVAL_LENGTH, "minimize", 20.0), [30.0], Status.FINISHED, 1 - 10),
        ((EVAL_LENGTH, "minimize", None), [30.0, 20.0], Status.FINISHED, -(30 + 7 * 20) / 8),
        ((EVAL_SUCCESS_EVER, "maximize", 0.9), [0.5], Status.FINISHED, 0.5),
        ((EVAL_SUCCESS_RATE, "minimize", None), [0.5], Status.FINISHED, -0.5),
        ((EVAL_RETURN, "maximize", None), [], Status.INTERRUPTED, -math.inf),
        ((EVAL_RETURN, "maximize", None), [math.nan], Status.FINISHED, -math.inf),
    ],
)
def test_any_metric(criterion, values, status, expected):
    column, direction, threshold = criterion
    made = Criterion(column, Direction[direction], threshold)
    assert score(made, BUDGET, history_of(column, values), status) == pytest.approx(expected)


def test_goal_distance_orders_runs_without_success():
    found = []
    for last in (0.1, 0.9):
        history = MetricHistory()
        for epoch, distance in ((1, 1.0), (8, last)):
            values = {EVAL_SUCCESS_RATE: 0.0, EVAL_GOAL_DISTANCE: distance}
            history.append(epoch, 500 * epoch, values)
        found.append(score(SUCCESS, BUDGET, history, Status.FINISHED))
    assert found[0] > found[1] > -0.01


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [SUCCESS]),
        ({"early_stop_threshold": math.inf}, [Criterion(SUCCESS.column, Direction.maximize, None)]),
        (
            {"hyperopt_criterion": EVAL_LENGTH, "hyperopt_direction": "minimize"},
            [Criterion(EVAL_LENGTH, Direction.minimize, None)],
        ),
        (
            {
                "early_stop_data_column": EVAL_LENGTH,
                "early_stop_direction": Direction.minimize,
                "hyperopt_criterion": [EVAL_RETURN, EVAL_LENGTH],
            },
            [
                Criterion(EVAL_RETURN, Direction.maximize, None),
                Criterion(EVAL_LENGTH, Direction.minimize, 0.9),
            ],
        ),
    ],
)
def test_what_is_optimised(changes, expected):
    assert criteria(config(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hyperopt_direction": "minimize"}, "minimize contradicts early_stop_direction=maximize"),
        ({"hyperopt_direction": "maximise"}, "did you mean maximize"),
        ({"hyperopt_direction": ["maximize", "minimize"]}, "one direction, or one for each of"),
    ],
)
def test_criteria_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        criteria(config(**changes))


def test_several_criteria_give_several_scores():
    cfg = config(hyperopt_criterion=[EVAL_SUCCESS_RATE, EVAL_RETURN])
    history = MetricHistory()
    history.append(4, 2000, {EVAL_SUCCESS_RATE: 1.0, EVAL_RETURN: -3.0})
    assert scores(cfg, history, Status.SUCCESS) == (1.5, -3.0)
