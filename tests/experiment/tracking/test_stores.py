"""Stores that are away, locked, lost, replaced or that refuse: every record arrives, none twice."""

import contextlib
import json
import logging
import math
import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run

from experiment.tracking import MlflowTracker
from experiment.tracking.dead_runs import close_dead_runs
from experiment.tracking.journal import Journal
from experiment.tracking.legal import legal_name
from experiment.tracking.rest import send_rest
from experiment.tracking.store import connect
from interface.errors import UserError
from tests.experiment.tracking.test_tracking import make_tracker, run_in, untracked, wait_for_sender
from tests.running import TINY_HER, train
from util.process_identity import identity


def points(client: MlflowClient, run: Run, key: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)]


def started(folder: Path, params: dict[str, str] | None = None, **changes: float) -> MlflowTracker:
    folder.mkdir(exist_ok=True)
    tracker = make_tracker(folder.parent, **changes)
    tracker.start(folder, "name", params or {"a": "1"}, {}, step=0)
    return tracker


def dead_process() -> str:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = identity(child.pid)
    child.kill()
    child.wait()
    return name


# ---- refused records


@pytest.mark.parametrize(
    ("name", "spelt"),
    [
        ("dist<0.1", "dist-x3c-0.1"),
        ("reach(m)", "reach-x28-m-x29-"),
        ("a+b", "a-x2b-b"),
        ("a//b", "a-x2f--x2f-b"),
        ("../a", "-x2e--x2e--x2f-a"),
        ("eval/success_rate", "eval/success_rate"),
        ("Größe in m", "Größe in m"),
    ],
)
def test_names_are_spelt_so_that_mlflow_takes_them(name: str, spelt: str):
    from mlflow.utils.validation import _validate_param_name

    assert legal_name(name) == spelt
    _validate_param_name(legal_name(name))


@pytest.mark.faults(7)
def test_what_mlflow_refuses_is_told_and_all_else_arrives(
    tmp_path: Path, store: list[str], caplog: pytest.LogCaptureFixture
):
    too_long = "n" * 300
    tracker = started(
        tmp_path / "run", {"dist<0.1": "2", too_long: "3", "seed": "1", "v": 9000 * "x"}
    )
    tracker.log_metrics({"reach(m)": 1.0, too_long: 2.0, "loss": math.inf, "nan": math.nan}, 10)
    tracker.log_metrics({"x": 3.0}, 10**30)  # no number that a database takes
    tracker.log_metrics({"x": 4.0}, 20)
    tracker.set_tags({"a+b": "c"})
    tracker.close("finished")
    client, run = run_in(tmp_path)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"dist-x3c-0.1": "2", "seed": "1", "v": 5997 * "x" + "..."}
    assert points(client, run, "reach-x28-m-x29-") == [(10, 1.0)]
    assert points(client, run, "x") == [(20, 4.0)]
    assert math.isnan(points(client, run, "loss")[0][1])
    assert math.isnan(points(client, run, "nan")[0][1])
    assert run.data.tags["infinite.loss"] == "inf at step 10"
    assert run.data.tags["a-x2b-b"] == "c"
    rejected = (tmp_path / "run" / "rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in rejected] == [too_long, too_long, "x"]
    assert caplog.text.count("MLflow refuses") == 3
    assert Journal(tmp_path / "run").is_sent()
    send_rest(tmp_path / "run")
    assert points(client, run, "x") == [(20, 4.0)]
    assert (tmp_path / "run" / "rejected.jsonl").read_text().splitlines() == rejected


@pytest.mark.faults(1)
def test_an_artifact_that_cannot_be_kept_holds_nothing_up(
    tmp_path: Path, store: list[str], monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(MlflowClient, "log_artifact", refuse)
    tracker = started(tmp_path / "run")
    (tmp_path / "run" / "file").write_text("x")
    tracker.log_artifact(tmp_path / "run" / "file")
    tracker.log_metrics({"x": 1.0}, 1)
    tracker.close("finished")
    client, run = run_in(tmp_path)
    assert (run.info.status, points(client, run, "x")) == ("FINISHED", [(1, 1.0)])
    monkeypatch.undo()
    send_rest(tmp_path / "run")
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["file"]


# ---- stores that are away


@pytest.mark.faults(1)
def test_a_run_starts_although_the_store_is_locked(
    tmp_path: Path, store: list[str], caplog: pytest.LogCaptureFixture
):
    with sqlite3.connect(tmp_path / "mlflow.db") as lock:
        lock.execute("BEGIN EXCLUSIVE")
        tracker = started(tmp_path / "run", open_timeout_seconds=0.2, close_timeout_seconds=0.2)
        assert tracker.run_id is None
        tracker.log_metrics({"x": 1.0}, 1)
        tracker.close("finished")
        lock.rollback()
    wait_for_sender(tracker)
    client, run = run_in(tmp_path)
    assert tracker.run_id == run.info.run_id
    assert points(client, run, "x") == [(1, 1.0)]
    assert run.info.status == "FINISHED"
    assert len([one for one in caplog.messages if "training" in one]) == 1


@pytest.mark.faults(1)
def test_a_run_starts_although_the_server_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    run_dir = tmp_path / "run"
    overrides = ["tracking=mlflow", "tracking.uri=http://127.0.0.1:9"]
    result = train(run_dir, *untracked(TINY_HER), *overrides, "tracking.close_timeout_seconds=0.1")
    assert result.run_id is None
    assert caplog.text.count("tracking is behind") == 1
    assert caplog.text.count("urllib3") == 0
    kinds = [record["kind"] for record in Journal(run_dir).records()]
    assert (kinds[0], kinds[-1]) == ("start", "end")
    with pytest.raises(UserError, match="does not answer"):
        send_rest(run_dir)


@pytest.mark.parametrize("uri", ["nothing://there", "sqlite:////no/such/folder/m.db", "http://[x"])
def test_a_store_that_can_never_answer_is_refused(uri: str, tmp_path: Path):
    tracker = make_tracker(tmp_path)
    tracker._uri = uri
    with pytest.raises(UserError, match=r"tracking\.uri"):
        tracker.start(tmp_path, "name", {}, {}, step=0)
    assert not list(Journal(tmp_path).records())


@pytest.mark.faults(1)
def test_a_store_that_a_kill_left_half_made_is_made_again(tmp_path: Path, monkeypatch):
    """MLflow itself ends in an error on such a file, for ever."""
    path = tmp_path / "mlflow.db"

    def die_on_the_way(uri: str, *_: object) -> None:
        with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as half:
            half.execute("CREATE TABLE experiments (experiment_id INTEGER)")
            half.execute("CREATE TABLE _alembic_tmp_experiments (experiment_id INTEGER)")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        module = "mlflow.store.tracking.sqlalchemy_store"
        patched.setattr(f"{module}.SqlAlchemyStore", die_on_the_way)
        with pytest.raises(KeyboardInterrupt):
            connect(f"sqlite:///{path}")
        assert not path.exists()
        with contextlib.suppress(KeyboardInterrupt):  # as it was made before
            die_on_the_way(f"sqlite:///{path}")
    client = connect(f"sqlite:///{path}")
    assert [one.name for one in client.search_experiments()] == ["Default"]
    assert {one.name for one in tmp_path.iterdir()} <= {"mlflow.db", "mlflow.db.lock"}


# a writer that dies with part of a transaction written: SQLite leaves a journal to take it back
DIES_WRITING = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size=1")
database.execute("CREATE TABLE IF NOT EXISTS experiments (experiment_id INTEGER)")
database.execute("CREATE TABLE IF NOT EXISTS _alembic_tmp_experiments (experiment_id INTEGER)")
database.execute("BEGIN")
database.execute("CREATE TABLE begun (text TEXT)")
for _ in range(500):
    database.execute("INSERT INTO begun VALUES (?)", ("x" * 500,))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.faults(2)
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_kill_in_a_transaction_loses_no_run(is_whole: bool, tmp_path: Path):
    path = tmp_path / "mlflow.db"
    if is_whole:
        client = connect(f"sqlite:///{path}")
        client.create_run(client.create_experiment("mine"))
    subprocess.run([sys.executable, "-c", DIES_WRITING, str(path)], check=False)
    assert path.with_name("mlflow.db-journal").exists()
    client = connect(f"sqlite:///{path}")
    names = {one.name: one.experiment_id for one in client.search_experiments()}
    assert set(names) == {"Default"} | ({"mine"} if is_whole else set())
    assert len(client.search_runs([*names.values()])) == is_whole
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'begun'").fetchall()


# ---- stores that are lost


@pytest.mark.parametrize("how", ["deleted", "fresh", "backup", "in place"])
@pytest.mark.faults(4)
def test_a_store_lost_under_a_run_gets_all_of_it_again(
    how: str, tmp_path: Path, store: list[str], empty_store: Path
):
    database = tmp_path / "mlflow.db"
    tracker = started(tmp_path / "run")
    tracker.log_metrics({"x": 1.0}, 1)
    wait_until_sent(tracker)
    if how == "backup":
        shutil.copy(database, tmp_path / "backup.db")
        tracker.log_metrics({"x": 2.0}, 2)
        wait_until_sent(tracker)
        tracker.close("finished")
        (tmp_path / "backup.db").replace(database)
        send_rest(tmp_path / "run")
    else:
        if how == "in place":
            shutil.copyfile(empty_store, database)
        else:
            database.unlink()
        if how == "fresh":
            shutil.copy(empty_store, database)
        tracker.log_metrics({"x": 2.0}, 2)
        tracker.close("finished")
    client, run = run_in(tmp_path)
    assert (run.info.status, run.data.params) == ("FINISHED", {"a": "1"})
    assert points(client, run, "x") == [(1, 1.0), (2, 2.0)]
    assert tracker.run_id == run.info.run_id


def wait_until_sent(tracker: MlflowTracker) -> None:
    end = time.monotonic() + 30
    while not tracker._journal.is_sent():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.faults(2)
def test_a_restored_run_refills_a_store_that_was_deleted(tmp_path: Path, store: list[str]):
    run_dir = tmp_path / "run"
    overrides = [*untracked(TINY_HER), *store]
    train(run_dir, *overrides)
    client, before = run_in(tmp_path)
    expected = points(client, before, "eval/return")
    (tmp_path / "mlflow.db").unlink()
    train(run_dir, *overrides, "n_epochs=3", f"restore={run_dir}")
    client, run = run_in(tmp_path)
    assert run.data.params == before.data.params
    assert run.data.tags["changed.n_epochs"] == "3"
    assert points(client, run, "eval/return")[:2] == expected
    assert len(points(client, run, "eval/return")) == 3
    (tmp_path / "mlflow.db").unlink()
    late = Journal(run_dir)  # as the sample of the machine that is taken while a run ends
    late.append("metrics", step=1, time=1, values={"system/cpu_utilization_percentage": 1.0})
    late.close()
    send_rest(run_dir)
    client, run = run_in(tmp_path)
    assert len(points(client, run, "eval/return")) == 3
    assert run.info.status == "FINISHED"


# ---- journals


@pytest.mark.faults(2)
def test_a_torn_line_is_cut_and_a_bad_one_is_set_aside(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append("tags", values={"a": "1"})
    journal.close()
    path = tmp_path / "tracking.jsonl"
    with path.open("a") as file:
        file.write('{"kind": "met{"kind": "tags"}\n\0\0\0\n{"kind": "metr')
    journal = Journal(tmp_path)
    journal.append("tags", values={"b": "2"})
    records, offset = journal.unsent(10)
    assert [record["values"] for record in records] == [{"a": "1"}, {"b": "2"}]
    assert offset == path.stat().st_size
    assert len(journal.rejected_path.read_text().splitlines()) == 2


@pytest.mark.faults(1)
def test_a_full_disk_leaves_no_half_record(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append("tags", values={"a": "1"})

    class HalfFull:
        def write(self, line: bytes) -> int:
            with (tmp_path / "tracking.jsonl").open("ab") as file:
                return file.write(line[:7])

    whole, journal._file = journal._file, HalfFull()  # type: ignore[assignment]
    with pytest.raises(OSError, match="No space left"):
        journal.append("tags", values={"b": "2"})
    journal._file = whole
    journal.append("tags", values={"c": "3"})
    assert [record["values"] for record in journal.records()] == [{"a": "1"}, {"c": "3"}]


@pytest.mark.faults(1)
def test_points_after_a_kill_are_not_doubled(
    tmp_path: Path, store: list[str], caplog: pytest.LogCaptureFixture
):
    tracker = started(tmp_path / "run")
    for step in (10, 20, 30):
        tracker.log_metrics({"x": step, "time/fps": 1.0, "nan": math.nan}, step)
    tracker.abandon()  # as a kill would
    tracker = make_tracker(tmp_path)
    tracker.start(tmp_path / "run", "name", {"a": "1"}, {}, step=10)
    for step in (20, 30, 40):
        tracker.log_metrics({"x": step, "time/fps": 2.0, "nan": math.nan}, step)
    assert not caplog.messages
    tracker.close("finished")
    client, run = run_in(tmp_path)
    for key in ("x", "time/fps", "nan"):
        assert [step for step, _ in points(client, run, key)] == [10, 20, 30, 40]


def test_a_run_that_goes_another_way_says_so(
    tmp_path: Path, store: list[str], caplog: pytest.LogCaptureFixture
):
    tracker = started(tmp_path / "run")
    tracker.log_metrics({"x": 1.0}, 20)
    tracker.abandon()
    tracker = started(tmp_path / "run")
    tracker.log_metrics({"x": 2.0}, 20)
    tracker.close("finished")
    assert "x at step 20 was 1 before the run was stopped and is 2 now" in caplog.text
    client, run = run_in(tmp_path)
    assert points(client, run, "x") == [(20, 1.0), (20, 2.0)]


# ---- processes that were killed


@pytest.mark.parametrize("folder", ["kept", "gone"])
@pytest.mark.faults(2)
def test_the_next_start_closes_the_run_of_a_dead_process(
    folder: str, tmp_path: Path, store: list[str], monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr("experiment.tracking.tracker.identity", dead_process)
        patch.setattr("experiment.tracking.tracker.close_dead_runs", lambda client: 0)
        tracker = started(tmp_path / "killed")
        wait_until_sent(tracker)
        tracker.abandon()
        tracker._journal = Journal(tmp_path / "killed")
        tracker.log_metrics({"x": 1.0}, 1)  # what a kill left unsent
        run_id = str(tracker.run_id)
    if folder == "gone":
        shutil.rmtree(tmp_path / "killed")
    running = started(tmp_path / "running")
    wait_until_sent(running)
    started(tmp_path / "next").close("finished")
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    killed = client.get_run(run_id)
    assert killed.info.status == "KILLED"
    assert points(client, killed, "x") == ([(1, 1.0)] if folder == "kept" else [])
    assert client.get_run(str(running.run_id)).info.status == "RUNNING"
    assert close_dead_runs(connect(f"sqlite:///{tmp_path}/mlflow.db")) == 0
    running.close("finished")


def test_the_journal_of_a_run_that_runs_is_left_alone(tmp_path: Path, store: list[str]):
    tracker = started(tmp_path / "run")
    with pytest.raises(UserError, match=r"is running .* and sends its records itself"):
        send_rest(tmp_path / "run")
    tracker.close("finished")
    assert send_rest(tmp_path / "run") == 4  # start, params, tags, end


def test_a_kill_before_the_id_was_noted_makes_no_second_run(tmp_path: Path, store: list[str]):
    started(tmp_path / "run").abandon()
    (tmp_path / "run" / "mlflow_run_id").unlink()
    started(tmp_path / "run").close("finished")
    run_in(tmp_path)  # there is one


def test_many_trackers_do_not_wait_for_each_other(tmp_path: Path, store: list[str]):
    """A store that is ready needs no lock."""
    with FileLock(tmp_path / "mlflow.db.lock"), ThreadPoolExecutor(1) as thread:
        thread.submit(connect, f"sqlite:///{tmp_path}/mlflow.db").result(timeout=30)


def test_urllib3_is_quiet(tmp_path: Path):
    connect(f"sqlite:///{tmp_path}/mlflow.db")
    assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.WARNING)
