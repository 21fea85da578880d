"""A script's report: read while it grows, and turned into evaluations."""

import math
from pathlib import Path

import pytest
from stable_baselines3.common.logger import CSVOutputFormat

from experiment.script_search.evaluations import Evaluations
from experiment.script_search.report import Report
from interface.errors import UserError
from interface.objective import Budget


def test_lines_of_json_are_read_as_they_come(tmp_path: Path):
    report = Report(tmp_path, "runs/*/log.jsonl")
    assert report.new_rows(is_final=False) == []
    path = tmp_path / "runs" / "a" / "log.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"step": 1, "score": 0.5}\n{"step": 2, "sc')
    assert report.new_rows(is_final=False) == [{"step": 1, "score": 0.5}]
    with path.open("a") as file:
        file.write('ore": null}\n\n{"step": 3}')
    assert report.new_rows(is_final=False) == [{"step": 2}]
    assert report.new_rows(is_final=False) == []
    assert report.new_rows(is_final=True) == [{"step": 3}]


def test_a_monitor_file_begins_with_a_comment(tmp_path: Path):
    report, path = Report(tmp_path, "monitor.csv"), tmp_path / "monitor.csv"
    path.write_text('#{"t_start": 0.5, "env_id": "None"}\n')
    assert report.new_rows(is_final=False) == []
    with path.open("a") as file:
        file.write("r,l,t\n1.5,4,0.1\n")
    assert report.new_rows(is_final=False) == [{"r": "1.5", "l": "4", "t": "0.1"}]
    assert report.new_rows(is_final=False) == []


def test_sb3_writes_its_file_anew_when_a_column_is_new(tmp_path: Path):
    report, logger = (
        Report(tmp_path, "progress.csv"),
        CSVOutputFormat(str(tmp_path / "progress.csv")),
    )
    logger.write({"step": 1, "loss": 0.5}, {})
    assert report.new_rows(is_final=False) == [{"step": "1", "loss": "0.5"}]
    logger.write({"step": 2, "score": 0.25}, {})
    assert report.new_rows(is_final=False) == []  # it may not be written to its end
    assert report.new_rows(is_final=False) == [{"step": "2", "score": "0.25"}]
    logger.write({"step": 3, "score": 0.5}, {})
    assert report.new_rows(is_final=False) == [{"step": "3", "score": "0.5"}]
    logger.write({"new": 3}, {})
    assert report.new_rows(is_final=True) == [{"new": "3"}]


def test_what_is_no_report(tmp_path: Path):
    with pytest.raises(UserError, match="wrote no file in its folder"):
        Report(tmp_path, "log.jsonl").check_found()
    (tmp_path / "log.json").write_text("Episode 1\n")
    with pytest.raises(UserError, match=r"no such file; it wrote log\.json"):
        Report(tmp_path, "log.jsonl").check_found()
    with pytest.raises(UserError, match=r"object of JSON in each line .* 'Episode 1'"):
        Report(tmp_path, "*.json").new_rows(is_final=False)
    (tmp_path / "other.json").touch()
    with pytest.raises(UserError, match=r"one file, but matches log\.json, other\.json"):
        Report(tmp_path, "*.json").new_rows(is_final=False)


def evaluations(*columns: str, is_total: bool = True) -> Evaluations:
    return Evaluations(Budget(10, 100), "step", is_total=is_total, columns=columns or ("score",))


def test_an_evaluation_is_the_mean_of_its_epoch():
    made = evaluations()
    rows = [(40, 1.0), (80, 2.0), (110, 6.0), (200, 4.0), (510, 1.0), (590, 3.0), (600, 5.0)]
    found = [made.add({"step": step, "score": score, "loss": "x"}) for step, score in rows]
    said = [(one.epoch, one.step, one.values["score"]) for one in found if one is not None]
    assert said == [(1, 110, 3.0), (2, 200, 4.0), (5, 510, 1.0), (6, 600, 4.0)]
    assert made.rest() is None
    assert made.add({"step": 650, "score": 2.0}) is None
    rest = made.rest()
    assert rest is not None
    assert (rest.epoch, rest.step, rest.values) == (6, 650, {"score": 2.0})


def test_steps_since_the_line_before():
    made = evaluations(is_total=False)
    assert made.add({"step": "60", "score": "1"}) is None
    evaluation = made.add({"step": "60", "score": "2"})
    assert evaluation is not None
    assert evaluation.step == 120


def test_an_evaluation_waits_for_all_its_scores():
    made = evaluations("score", "return")
    assert made.add({"step": 100, "score": 1.0}) is None
    evaluation = made.add({"step": 120, "return": 5.0})
    assert evaluation is not None
    assert evaluation.values == {"score": 1.0, "return": 5.0}


@pytest.mark.parametrize("value", ["nan", math.inf, "-inf"])
def test_a_score_that_is_not_finite_is_told_at_once(value):
    evaluation = evaluations().add({"step": 3, "score": value})
    assert evaluation is not None
    assert math.isnan(evaluation.values["score"])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"steps": 3, "score": 1}, "unknown step_column 'step'; did you mean steps"),
        ({"step": 3, "score": "good"}, "score='good' in the report is no number"),
        ({"step": "a", "score": 1}, "step='a' in the report is no number"),
        ({"step": 200, "scores": 1}, "up to step 200 has 'score'; did you mean scores"),
        ({"step": 200, "x": 1}, "has 'score'; known: step, x"),
    ],
)
def test_lines_that_are_wrong(row, said):
    with pytest.raises(UserError, match=said):
        evaluations().add(row)


def test_a_script_that_says_nothing():
    with pytest.raises(UserError, match="no line of the report has 'score'; it is empty"):
        evaluations().rest()
