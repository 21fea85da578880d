"""The regression matrix: its rules by tables, its runner on real, small processes."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from experiment.regression import generate_testing_commands
from experiment.regression.check_error_logs import cause_in, check_function
from experiment.regression.command import _plan, main
from experiment.regression.grid import function_rows
from experiment.regression.matrix import Job, Outcome, Row, State, Verdict, n_wanted, state_of
from experiment.regression.reports import lines_of, write_junit, write_markdown
from experiment.regression.rows import PERFORMANCE, PerformanceRow, load_rows, read_row
from experiment.regression.runner import Progress
from experiment.regression.selection import Selection, parse_shard
from experiment.regression.settings import load_settings
from experiment.regression.validate_performance_testing import check_performance
from interface.errors import UserError
from tests.experiment.regression.test_regression_runner import judge, make_row

ROW = {
    "env": "PointReach-v0",
    "algorithm": "her",
    "n_steps": 1000,
    "eval_after_n_steps": 500,
    "metric": "eval/success_rate",
    "threshold": 0.9,
    "required": 2,
    "seeds": [1, 2, 3],
    "minutes": 1.0,
    "steps_per_second": 100,
    "measured": [3, 3],
    "source": "a test",
}
YES, NO = Verdict(passed=True, message="good"), Verdict(passed=False, message="bad")


def write_row(folder: Path, name: str = "row", **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {key: value for key, value in (ROW | changes).items() if value is not None}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        ([], State.QUEUED),
        ([YES], State.RUNNING),
        ([YES, NO], State.RUNNING),
        ([YES, YES], State.PASSED),
        ([NO, YES, YES], State.PASSED),
        ([NO, NO], State.FAILED),
    ],
)
def test_a_row_is_decided_as_soon_as_it_can_be(
    tmp_path: Path, verdicts: list[Verdict], state: State
) -> None:
    assert state_of(make_row(tmp_path, "", n_seeds=3, required=2), verdicts) == state


@pytest.mark.parametrize(
    ("verdicts", "n_running", "wanted"),
    [
        ([], 0, 2),
        ([], 1, 1),
        ([], 2, 0),
        ([YES], 0, 1),
        ([NO], 0, 2),
        ([NO], 1, 1),
        ([NO, NO], 0, 0),
    ],
)
def test_no_more_seeds_run_than_may_be_needed(
    tmp_path: Path, verdicts: list[Verdict], n_running: int, wanted: int
) -> None:
    row = make_row(tmp_path, "", n_seeds=3, required=2)
    assert n_wanted(row, verdicts, n_running) == wanted


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threshold": None}, "does not say threshold"),
        ({"threshold": "high"}, "must be a number"),
        ({"thresholdd": 0.9}, "did you mean threshold"),
        ({"required": 4}, "from 1 to 3"),
        ({"seeds": [1, 1]}, "different numbers"),
        ({"seeds": []}, "at least one"),
        ({"n_steps": 1200}, "multiple of"),
        ({"measured": [4, 3]}, "seeds that passed"),
    ],
)
def test_a_row_that_is_wrong(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_row(write_row(tmp_path, **changes))


def test_two_rows_of_one_name_and_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="empty"):
        load_rows(tmp_path)
    write_row(tmp_path / "a")
    write_row(tmp_path / "b")
    with pytest.raises(UserError, match="two rows are named row"):
        load_rows(tmp_path)


@pytest.mark.parametrize("row", load_rows(PERFORMANCE), ids=lambda row: row.name)
def test_our_rows(row: PerformanceRow) -> None:
    assert row.nightly or row.minutes <= 10
    assert row.source
    assert row.name.startswith(row.env)


def test_the_chance_of_a_false_alarm(tmp_path: Path) -> None:
    sure = read_row(write_row(tmp_path, measured=[100, 100]))
    unknown = read_row(write_row(tmp_path, measured=[0, 0]))
    assert sure.false_alarm < 0.01
    assert unknown.false_alarm == pytest.approx(0.5)  # 0, 1, 2, 3 passes are as likely


def test_the_grid_follows_from_what_fits() -> None:
    rows = function_rows(load_settings().function)
    assert {"FetchReach-v4_her-td3", "CartPole-v1_dqn", "AntReacher-v0_hac-2"} <= set(rows)
    assert not {"CartPole-v1_sac", "Pendulum-v1_her-sac", "FetchReach-v4_dqn"} & set(rows)
    settings = load_settings().function
    chosen, _ = Selection(tuple(settings.ci)).split([Row(n, (), 1, 1, judge) for n in rows], 1)
    assert 10 <= len(chosen) <= 40


def test_what_is_left_out_has_a_reason(tmp_path: Path) -> None:
    rows = [Row(name, (), 1, 10.0, judge, nightly=name == "c") for name in "abcdef"]
    chosen, left_out = Selection(shard=(1, 2), max_minutes=15).split(rows, n_slots=1)
    assert [row.name for row in chosen] == ["a"]
    assert left_out["c"] == "nightly"
    assert "shard" in left_out["b"]
    assert "--max-minutes" in left_out["e"]
    with pytest.raises(UserError, match="nothing to run"):
        Selection(patterns=("x*",)).split(rows, 1)


@pytest.mark.parametrize("text", ["3/2", "0/2", "1", "a/b"])
def test_a_shard_that_is_none(text: str) -> None:
    with pytest.raises(UserError, match="shard"):
        parse_shard(text)


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("one\nerror: it is said\n", "error: it is said"),
        ("", "it printed nothing"),
        (
            "Traceback (most recent call last):\n"
            '  File "/x/sac.py", line 7, in train\n    boom()\n'
            "RuntimeError: crashed\nbye\n",
            "RuntimeError: crashed (sac.py:7)",
        ),
    ],
)
def test_the_cause_in_a_log(tmp_path: Path, log: str, cause: str) -> None:
    path = tmp_path / "a.log"
    path.write_text(log)
    assert cause_in(path) == cause


def a_job(tmp_path: Path) -> Job:
    folder = tmp_path / "row-s1"
    (folder / "films").mkdir(parents=True)
    return Job("row", 1, folder, (("python", "-c", ""),), 1.0)


def test_a_function_row_needs_every_part(tmp_path: Path) -> None:
    job = a_job(tmp_path)
    verdicts = []
    for name, text in [
        ("best_model.zip", ""),
        ("last.zip", ""),
        ("evaluations.csv", "epoch\n1\n2\n"),
        ("films/a.mp4", ""),
        ("progress.csv", "train/actor_loss\n0.1\n"),
    ]:
        verdicts.append(check_function(job, Outcome(0, 1.0), n_epochs=2))
        (job.folder / name).write_text(text)
    said = [verdict.message for verdict in verdicts]
    wanted = ["best_model.zip", "last.zip", "0 evaluations", "film", "no gradient step"]
    assert [part in text for part, text in zip(wanted, said, strict=True)] == [True] * 5
    assert check_function(job, Outcome(0, 1.0), n_epochs=2).passed
    assert not check_function(job, Outcome(1, 1.0), n_epochs=2).passed


@pytest.mark.parametrize(
    ("values", "status", "seconds", "passed", "said"),
    [
        ([0.5, 0.9, 0.9], "success", 15.0, True, "0.90 after 1500"),
        ([0.5, 0.7, 0.8], "finished", 15.0, False, "must be 0.9"),
        ([0.5, 0.7], "success", 10.0, False, "early stopping called it a success"),
        ([0.9, 0.9, 0.9], "finished", 15.0, False, "went on after evaluation 2"),
        ([1.0, 1.0], "success", 100.0, True, "10.0 times fewer"),
        ([0.5, 0.85, 0.95], "success", 15.0, True, "0.90 after 1500"),  # a float below 0.9
        ([0.85, 0.95, 0.95], "finished", 15.0, False, "went on after evaluation 2"),
    ],
)
def test_the_verdict_of_a_seed(
    tmp_path: Path, values: list[float], status: str, seconds: float, passed: bool, said: str
) -> None:
    job, row = a_job(tmp_path), read_row(write_row(tmp_path))
    lines = [f"{500 * (i + 1)},{value}" for i, value in enumerate(values)]
    (job.folder / "evaluations.csv").write_text("\n".join(["step,eval/success_rate", *lines]))
    (job.folder / "result.json").write_text(json.dumps({"status": status, "seconds": seconds}))
    verdict = check_performance(row, job, Outcome(0, seconds), slow_factor=2)
    assert verdict.passed == passed
    assert said in f"{verdict.message} {verdict.warning}"


def test_a_metric_that_was_renamed(tmp_path: Path) -> None:
    job, row = a_job(tmp_path), read_row(write_row(tmp_path))
    (job.folder / "evaluations.csv").write_text("step,eval/success_rates\n500,1.0\n")
    verdict = check_performance(row, job, Outcome(0, 1.0), slow_factor=2)
    assert "did you mean eval/success_rates" in verdict.message


def test_reports(tmp_path: Path) -> None:
    row = make_row(tmp_path, "", n_seeds=2)
    progress = [Progress(row, {1: NO, 2: NO})]
    lines = lines_of(progress, {"row": "passed (abc)"})
    write_markdown(tmp_path / "report.md", "0 of 1", lines, {"other": "nightly"})
    text = (tmp_path / "report.md").read_text()
    assert "seed 1: bad; seed 2: bad" in text
    assert "passed (abc)" in text
    assert "nightly: other" in text
    write_junit(tmp_path / "junit.xml", "performance", progress, {"other": "nightly"})
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("failures"), suite.get("skipped"), suite.get("tests")) == ("1", "1", "2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "0"], "at least 1 process"),
        (["--shard", "2/1"], "shard"),
        (["--filter", "nothing*"], "nothing to run"),
    ],
)
def test_wrong_input(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--uri", ""]) == 2
    assert said in capsys.readouterr().err


def test_a_gpu_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("experiment.regression.command.free_gpu_memory", lambda: {0: 9000})
    assert main(["-g", "(0,3)", "--uri", ""]) == 2
    assert "there is no GPU 3; this machine has 0" in capsys.readouterr().err


def test_commands_are_listed_and_none_is_run(tmp_path, monkeypatch, capsys) -> None:
    write_row(tmp_path / "rows", "short")
    write_row(tmp_path / "rows", "long", nightly=True)
    where = ["--list", "--rows", str(tmp_path / "rows"), "--output", str(tmp_path / "out")]
    monkeypatch.setattr(generate_testing_commands, "REPOSITORY", tmp_path)
    monkeypatch.setattr(
        generate_testing_commands,
        "make_function_rows",
        lambda settings, folder: [make_row(folder, "", n_seeds=1)],
    )
    assert main(where) == 0
    file = tmp_path / "test_cmds.txt"
    assert f"{file}: 7 commands of 3 rows" in capsys.readouterr().out
    lines = file.read_text().splitlines()
    trains = [line for line in lines if line.startswith("python experiment/train.py env=Point")]
    assert (len(lines), len(trains)) == (7, 6)
    assert main([*where, "-t", "performance", "--filter", "sh*"]) == 0
    assert [f"seed={seed} " in file.read_text() for seed in (1, 2, 3)] == [True] * 3
    assert len(file.read_text().splitlines()) == 3
    assert not (tmp_path / "out").exists()


def test_a_matrix_says_first_what_it_will_do(tmp_path: Path) -> None:
    rows = [make_row(tmp_path, "", n_seeds=2, required=2) for _ in range(3)]
    progress = [Progress(row) for row in rows]
    progress[0].verdicts = {1: YES, 2: YES}
    said = _plan("performance", progress, 2)
    minutes = sum(row.minutes * 2 for row in rows[1:]) / 2
    assert "3 rows, 1 of them done already: 4 runs at least, 2 at once" in said
    assert f"about {minutes:.0f} min" in said
