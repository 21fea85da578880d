"""The rules that decide when a run ends, and the numbers that are told of it, as tables."""

import math

import pytest

from experiment.run.early_stopping import EarlyStopping
from experiment.run_folder.metric_history import MetricHistory, read_csv
from interface.config import Direction
from util.nearest_name import did_you_mean, nearest_name


def history_of(key: str, values: list[float], **others: list[float]) -> MetricHistory:
    history = MetricHistory()
    for i, value in enumerate(values):
        history.append(i + 1, 100 * (i + 1), {key: value} | {k: v[i] for k, v in others.items()})
    return history


@pytest.mark.parametrize(
    ("values", "threshold", "last_n", "direction", "reached"),
    [
        ([], 0.9, 1, "maximize", False),
        ([0.9], 0.9, 1, "maximize", True),
        ([0.9], 0.9, 2, "maximize", False),
        ([0.8, 1.0], 0.9, 2, "maximize", True),
        ([0.0, 0.8, 1.0], 0.9, 2, "maximize", True),
        ([1.0, 0.7], 0.9, 2, "maximize", False),
        ([0.1, 0.3], 0.2, 2, "minimize", True),
        ([0.3, 0.3], 0.2, 2, "minimize", False),
        ([0.85, 0.95], 0.9, 2, "maximize", True),  # their mean is a float below 0.9
        ([0.1, 0.2, 0.3], 0.2, 3, "minimize", True),  # and this one above 0.2
        ([0.9 - 1e-6], 0.9, 1, "maximize", False),
    ],
)
def test_early_stopping(values, threshold, last_n, direction, reached):
    rule = EarlyStopping("x", threshold, last_n, Direction[direction])
    assert rule.reached(history_of("x", values)) is reached


def test_early_stopping_on_a_column_that_is_not_there():
    rule = EarlyStopping("y", 0.0, 1, Direction.maximize)
    assert rule.reached(history_of("x", [1.0])) is False


def test_history_survives_its_file(tmp_path):
    history = history_of("a", [0.1, math.pi], b=[1e-17, 3.0])
    history.write_csv(tmp_path / "history.csv")
    assert read_csv(tmp_path / "history.csv").epochs == history.epochs


@pytest.mark.parametrize(
    ("wrong", "close"), [("n_epoch", "n_epochs"), ("GAMMA", "gamma"), ("zzz", None)]
)
def test_nearest_name(wrong, close):
    assert nearest_name(wrong, ["n_epochs", "gamma"]) == close


@pytest.mark.parametrize(
    ("wrong", "close"),
    [
        ("FetchReech-v4", "FetchReach-v4"),
        ("FetchReach-v1", "FetchReach-v4"),
        ("fetchreach", "FetchReach-v4"),
        ("FetchP", "FetchPush-v4"),
        ("sca", "sac"),
        ("Nope-v0", None),  # neither Hopper-v5 for its version nor none for its letters
    ],
)
def test_versions_make_no_two_names_alike(wrong, close):
    known = ["Hopper-v5", "none", "FetchPush-v4", "FetchReach-v4", "sac", "Other-v0"]
    assert nearest_name(wrong, known) == close


def test_did_you_mean_lists_what_exists_if_nothing_is_close():
    assert did_you_mean("zzz", ["b", "a"]) == "; known: a, b"
