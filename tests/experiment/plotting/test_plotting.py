"""Curves and tables of runs: the right numbers, and honest words on what is missing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from experiment.plotting.command import draw
from experiment.plotting.comparison import improvements, mean_value, rows_of
from experiment.plotting.curves import curve_of
from experiment.plotting.grouping import groups_of
from experiment.plotting.run_data import RunData, Series
from interface.errors import UserError
from tests.running import forked_command, hydra_main
from util.statistics import FEWEST

KEY = "eval/success_rate"


def run_of(values: list[float], status: str | None = "finished", steps: Any = None, **params):
    x = np.array(steps or range(100, 100 * len(values) + 1, 100), dtype=float)
    known = {"env.id": "A-v0", "algorithm_name": "her", "seed": "1", **params}
    return RunData("run", known, status, {KEY: Series(x, x / 60, np.array(values))})


def write_run(folder: Path, values: list[float], seed: int, **changes) -> None:
    folder.mkdir(parents=True)
    config = {"env": {"id": "A-v0"}, "algorithm_name": "her", "seed": seed, "algorithm": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config | changes))
    lines = [f"{i + 1},{100 * (i + 1)},{value}" for i, value in enumerate(values)]
    (folder / "evaluations.csv").write_text("\n".join([f"epoch,step,{KEY}", *lines]) + "\n")
    (folder / "result.json").write_text(json.dumps({"status": "finished", "score": values[-1]}))


def plot(tmp_path: Path, *overrides: str) -> tuple[int, str]:
    done = forked_command(
        "experiment/plot.py", f"data_dir={tmp_path}/data", f"output_dir={tmp_path}/out", *overrides
    )
    return done.returncode, done.stdout + done.stderr


def test_a_curve_over_seeds():
    runs = [run_of([x, 0.4 + x]) for x in (0.0, 0.1, 0.2, 0.3, 0.4)]
    curve = curve_of("her", runs, KEY, "steps", 2000)
    assert curve is not None
    assert curve.x.tolist() == [100, 200]
    assert curve.centre == pytest.approx([0.2, 0.6])
    assert curve.low == pytest.approx([0.0, 0.4])
    assert curve.high == pytest.approx([0.4, 0.8])
    few = curve_of("her", runs[1:], KEY, "steps", 2000)
    assert few is not None
    assert np.isnan([*few.low, *few.high]).all()


@pytest.mark.parametrize(
    ("status", "centre", "n_runs"),
    [
        ("success", [0.5, 0.75], [2, 2]),
        ("finished", [0.5, 0.5], [2, 1]),
        (None, [0.5, 0.5], [2, 1]),
    ],
)
def test_only_a_success_keeps_its_last_value(status, centre, n_runs):
    curve = curve_of("her", [run_of([1.0], status), run_of([0.0, 0.5])], KEY, "steps", 100)
    assert curve is not None
    assert curve.centre == pytest.approx(centre)
    assert curve.n_runs.tolist() == n_runs
    assert np.isnan(curve.low[-1]) == (n_runs[-1] < FEWEST)


def test_the_mean_over_a_run_weighs_steps():
    run = run_of([0.0, 1.0], "success", steps=[100, 200])
    assert mean_value(run, KEY, 400) == pytest.approx((0 * 100 + 1 * 100 + 1 * 200) / 400)
    assert mean_value(run_of([0.0, 1.0], steps=[300, 400]), KEY, 400) == pytest.approx(0.25)


def test_automatic_groups():
    runs = [
        run_of([0.0], seed=str(seed), **{"algorithm.gamma": gamma, "device": device})
        for seed, gamma, device in ((1, "0.9", "cpu"), (2, "0.9", "cuda"), (1, "0.95", "cpu"))
    ]
    groups = groups_of(runs, "auto", ["seed", "device"])
    assert {label: len(members) for label, members in groups.items()} == {
        "her gamma=0.9": 2,
        "her gamma=0.95": 1,
    }
    assert list(groups_of(runs, ["gamma", "algorithm"], [])) == ["gamma=0.9 her", "gamma=0.95 her"]
    with pytest.raises(UserError, match="did you mean"):
        groups_of(runs, ["gama"], [])


def test_keys_that_a_class_brings_are_shown_only_where_they_tell_runs_apart():
    sac = {"algorithm.layer_classes": "[sac]"}
    own = {"algorithm.layer_classes": "[own]", "own._target_": "my.Own", "own.tau": "0.1"}
    runs = [run_of([1.0], **params) for params in (sac, own | {"gamma": "0"}, own | {"gamma": "1"})]
    assert list(groups_of(runs, "auto", [])) == [
        "her layer_classes=[own] gamma=0 _target_=my.Own",
        "her layer_classes=[own] gamma=1 _target_=my.Own",
        "her layer_classes=[sac]",
    ]
    encoder = {"encoder._target_": "my.Waves", "encoder.n_waves": "64"}
    runs = [run_of([1.0], **params) for params in ({"encoder": "null"}, encoder)]
    assert list(groups_of(runs, "auto", [])) == ["her", "her _target_=my.Waves"]
    runs = [run_of([1.0], **params) for params in ({}, {"env.kwargs.curve": "fast"})]
    assert list(groups_of(runs, "auto", [])) == ["her", "her curve=fast"]


def test_a_metric_that_no_run_has_is_answered_with_the_nearest(tmp_path: Path):
    write_run(tmp_path / "data" / "run", [0.5, 1.0], seed=1)
    wrong = [f"data_dir={tmp_path}", f"output_dir={tmp_path}/plots", "metrics=[eval/succes_rate]"]
    nearest = pytest.raises(UserError, match="did you mean eval/success_rate")
    with hydra_main(wrong, tmp_path, "plot") as cfg, nearest:
        draw(cfg)
    assert not (tmp_path / "plots").exists()


def test_a_comparison():
    groups = {"a": [run_of([1.0])] * FEWEST, "b": [run_of([0.1])] * FEWEST}
    assert improvements(groups, KEY, []) == ["P(a better than b) = 1.00 [0.64, 1.00]"]
    assert improvements(groups, KEY, [KEY]) == ["P(a better than b) = 0.00 [0.00, 0.36]"]
    (line,) = improvements({"a": groups["a"][1:], "b": groups["b"]}, KEY, [])
    assert line == "P(a better than b): needs 5 runs of each, got 4"


def test_environments_are_summed_up_only_where_they_compare():
    groups = {"her": [run_of([0.2]), run_of([0.6], **{"env.id": "B-v0"})]}
    rows = rows_of(groups, KEY, 100)
    assert [(row.env, row.n_runs, row.final[0]) for row in rows] == [
        ("A-v0", 1, 0.2),
        ("B-v0", 1, 0.6),
        ("all 2", 2, pytest.approx(0.4)),
    ]


def test_the_command(tmp_path: Path):
    for seed, values in enumerate([[0.0, 0.5, 1.0], [0.1, 0.4, 0.9, 1.0]]):
        write_run(tmp_path / f"data/A-v0/her/{seed}", values, seed)
    write_run(tmp_path / "data/B-v0/sac/0", [0.3, 0.2], 0, algorithm_name="sac", env={"id": "B-v0"})
    (tmp_path / "data/A-v0/her/2").mkdir()
    (tmp_path / "data/A-v0/her/2/config.yaml").write_text("seed: 1\n")
    code, text = plot(tmp_path)
    assert code == 0, text
    for name in ("curves.png", "curves.svg", "curves.html", "table.md", "table.csv"):
        assert f"written: {tmp_path}/out/{name}" in text
        assert (tmp_path / "out" / name).stat().st_size > 100
    assert "has no evaluations.csv yet" in text
    assert "B-v0, sac: 1 of the 5 runs that an interval takes" in text
    assert "<svg" in (tmp_path / "out/curves.svg").read_text()[:500]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ([], "there is no run in"),
        (["source=csv"], "unknown source 'csv'; known: folders, mlflow"),
        (["x=step"], "unknown x 'step'; did you mean steps?"),
        (["formats=[pgn]"], "unknown format 'pgn'; did you mean png?"),
        (["runs=nonsense"], "there is no run 'nonsense'"),
        (["study=nowhere.journal"], "study=nowhere.journal: there is no journal file"),
        (["n_latest=0"], "n_latest must be at least 1, got 0"),
    ],
)
def test_wrong_input_is_one_sentence(tmp_path: Path, overrides: list[str], sentence: str):
    code, text = plot(tmp_path, *overrides)
    assert code == 2
    assert sentence in text
    assert len(text.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_what_is_not_there_is_named(tmp_path: Path):
    write_run(tmp_path / "data/A-v0/her/0", [0.0, 1.0], 0)
    for overrides, sentence in (
        (["metrics=[eval/nothing]"], "unknown metric 'eval/nothing'; known: eval/success_rate"),
        (["envs=[A-v1]"], "did you mean A-v0?"),
        (["where=[seed:7]"], "none of 1 runs is asked for"),
        (["x=minutes"], "have no eval/success_rate with a time"),
    ):
        code, text = plot(tmp_path, *overrides)
        assert code == 2
        assert sentence in text
