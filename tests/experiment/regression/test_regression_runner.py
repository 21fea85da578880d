"""The runner of the regression matrix on real, small processes: ends, kills, going on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from experiment.regression.check_error_logs import cause_in
from experiment.regression.matrix import Job, Outcome, Row, State, Verdict
from experiment.regression.runner import Progress, Runner
from interface.resolvers import REPOSITORY
from util.slots import SlotPool, available_cpus, divide


def judge(job: Job, outcome: Outcome) -> Verdict:
    return Verdict(passed=outcome.exit_code == 0, message=cause_in(job.log))


def make_row(
    folder: Path, code: str, n_seeds: int = 1, required: int = 1, timeout_minutes: float = 1.0
) -> Row:
    jobs = tuple(
        Job("row", seed, folder / f"row-s{seed}", (("python", "-c", code),), timeout_minutes)
        for seed in range(1, n_seeds + 1)
    )
    return Row("row", jobs, required, 0.1, judge)


def run_rows(rows: Sequence[Row], n_slots: int = 2) -> list[Progress]:
    return Runner(rows, SlotPool(divide(available_cpus(), n_slots)), 0.0, lambda _: None).run()


@pytest.mark.faults(2)
def test_rows_pass_fail_and_run_out_of_time(tmp_path: Path) -> None:
    rows = [
        make_row(tmp_path / "good", "pass", n_seeds=3, required=2),
        make_row(tmp_path / "bad", "raise RuntimeError('broken')", n_seeds=2),
        make_row(tmp_path / "slow", "import time; time.sleep(60)", timeout_minutes=0.02),
    ]
    good, bad, slow = run_rows(rows)
    assert [one.state for one in (good, bad, slow)] == [State.PASSED, State.FAILED, State.FAILED]
    assert len(good.verdicts) == 2  # the third seed was not needed
    assert "RuntimeError: broken" in bad.verdicts[1].message
    outcome = json.loads(slow.row.jobs[0].outcome_file.read_text())
    assert outcome["timed_out"]


def test_seeds_that_are_no_longer_needed_are_ended(tmp_path: Path) -> None:
    jobs = tuple(
        Job("row", seed, tmp_path / f"s{seed}", (("python", "-c", text),), 1.0)
        for seed, text in [(1, "raise SystemExit(1)"), (2, "import time; time.sleep(60)")]
    )
    begun = time.monotonic()
    (one,) = run_rows([Row("row", jobs, 2, 0.1, judge)])
    assert one.state == State.FAILED
    assert time.monotonic() - begun < 30


@pytest.mark.faults(1)
def test_a_killed_child_is_started_once_more(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    code = f"import os; open({str(marks)!r}, 'a').write('x'); os.kill(os.getpid(), 9)"
    (one,) = run_rows([make_row(tmp_path, code)])
    assert marks.read_text() == "xx"
    assert one.state == State.FAILED
    assert json.loads(one.row.jobs[0].outcome_file.read_text())["exit_code"] == -9


@pytest.mark.parametrize("code", [130, -signal.SIGTERM, -signal.SIGHUP])
@pytest.mark.faults(3)
def test_an_interrupted_job_goes_on_with_the_next_start(code: int, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    # below nohup, SIGHUP would be ignored
    dies = f"signal.signal({-code}, signal.SIG_DFL), os.kill(os.getpid(), {-code})"
    ends = f"sys.exit({code})" if code > 0 else dies
    script = (
        f"import os, signal, sys; p = {str(marks)!r}; open(p, 'a').write('x')\n"
        f"if len(open(p).read()) == 1: {ends}"
    )
    assert run_rows([make_row(tmp_path, script)])[0].state == State.FAILED
    assert run_rows([make_row(tmp_path, script)])[0].state == State.PASSED
    assert run_rows([make_row(tmp_path, script)])[0].state == State.PASSED
    assert marks.read_text() == "xx"


RUNNER = """
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
from typing import Any
from tests.experiment.regression.test_regression_runner import make_row, run_rows
code = ("import os, sys, time; p = {marks!r}; open(p, 'a').write('x')\\n"
        "time.sleep(0.2 if len(open(p).read()) < 3 else 2)")
run_rows([make_row(Path({folder!r}), code, n_seeds=4, required=4)], n_slots=1)
"""


@pytest.mark.faults(1)
def test_a_killed_matrix_goes_on(tmp_path: Path) -> None:
    marks, folder = tmp_path / "marks", tmp_path / "matrix"
    root = str(REPOSITORY)
    code = RUNNER.format(root=root, marks=str(marks), folder=str(folder))
    first = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while not marks.exists() or len(marks.read_text()) < 3:
        time.sleep(0.05)
    first.kill()
    first.wait()
    done = sorted(folder.glob("*.outcome.json"))
    assert len(done) == 2
    before = [path.stat().st_mtime_ns for path in done]
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert len(marks.read_text()) == 5  # two were done, the third ran anew, the fourth ran
    assert [path.stat().st_mtime_ns for path in done] == before


@pytest.mark.skipif(sys.platform != "linux", reason="children outlive a killed parent elsewhere")
@pytest.mark.faults(1)
def test_children_do_not_outlive_a_killed_matrix(tmp_path: Path) -> None:
    pid_file, folder = tmp_path / "pid", tmp_path / "matrix"
    inner = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
        "from pathlib import Path\n"
        "from tests.experiment.regression.test_regression_runner import make_row, run_rows\n"
        f"run_rows([make_row(Path({str(folder)!r}), {inner!r})])"
    )
    matrix = subprocess.Popen([sys.executable, "-c", code])
    while not pid_file.exists() or not pid_file.read_text():
        time.sleep(0.05)
    matrix.send_signal(signal.SIGKILL)
    matrix.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid_file.read_text()}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
