"""Everything reaches MLflow, sooner or later, and nothing that it does disturbs a run."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from experiment.cli.context import context_of_hydra
from experiment.run.provenance import config_params
from experiment.run_folder.metric_history import read_csv
from experiment.tracking import MlflowTracker
from experiment.tracking.journal import Journal
from experiment.tracking.rest import send_rest
from experiment.tracking.store import connect
from interface.errors import UserError
from interface.metrics import EVAL_SUCCESS_RATE
from interface.run_files import RUN_ID
from tests.running import TINY_HER, hydra_main, train

LEFT_OUT = ("tracking", "data_dir", "restore")


def run_in(folder: Path) -> tuple[MlflowClient, Run]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    return client, run


def untracked(overrides: list[str]) -> list[str]:
    return [text for text in overrides if text != "tracking=none"]


def test_a_run_in_mlflow(tmp_path: Path, store: list[str], caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    run_dir = tmp_path / "2026-01-01_00-00-00-s1-x=1"
    result = train(run_dir, *untracked(TINY_HER), *store, "tensorboard=true")
    client, run = run_in(tmp_path)
    assert run.info.run_id == result.run_id
    assert (run.info.status, run.info.run_name) == ("FINISHED", "her-1-x=1")
    page = f"http://localhost:5000/#/experiments/1/runs/{result.run_id}/model-metrics"
    assert caplog.messages[-1] == f"look at: {page}   served by: python experiment/look.py"
    with hydra_main([*untracked(TINY_HER), *store], run_dir) as cfg:
        expected = config_params(cfg)
    params = run.data.params
    assert set(params) == set(expected)
    assert params["algorithm.learners.sac.gamma"] == "0.99"
    assert params["seed"] == "1"
    assert not [key for key in params if key.startswith(LEFT_OUT)]
    assert run.data.tags["env"] == "PointReach-v0"
    assert run.data.tags["status"] == "finished"
    assert {"git.commit", "git.dirty", "version.torch", "host", "device"} <= set(run.data.tags)
    series = [
        (metric.step, metric.value)
        for metric in client.get_metric_history(run.info.run_id, EVAL_SUCCESS_RATE)
    ]
    history = read_csv(run_dir / "evaluations.csv")
    assert series == [(e.step, e.values[EVAL_SUCCESS_RATE]) for e in history.epochs]
    artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
    artifacts = {name for name in artifacts if not name.endswith(".patch")}  # a checkout at work
    assert artifacts == {
        "config.yaml",
        "evaluations.csv",
        "best_model.zip",
        "result.json",
        "provenance.json",
    }
    assert list((run_dir / "tensorboard").iterdir())


def test_a_restored_run_is_one_run(tmp_path: Path, store: list[str]):
    overrides = [*untracked(TINY_HER), *store]
    train(tmp_path / "run", *overrides)
    train(tmp_path / "run", *overrides, "n_epochs=3", f"restore={tmp_path}/run")
    client, run = run_in(tmp_path)
    assert run.data.params["n_epochs"] == "2"
    assert run.data.tags["changed.n_epochs"] == "3"
    steps = [m.step for m in client.get_metric_history(run.info.run_id, EVAL_SUCCESS_RATE)]
    assert steps == [150, 300, 450]


def test_system_metrics(tmp_path: Path, store: list[str]):
    overrides = [*untracked(TINY_HER), *store, "tracking.system_metrics_interval_seconds=0.2"]
    train(tmp_path / "run", *overrides)
    _, run = run_in(tmp_path)
    assert run.data.metrics["system/system_memory_usage_megabytes"] > 0
    assert "system/cpu_utilization_percentage" in run.data.metrics


@pytest.mark.faults(1)
def test_a_locked_store_delays_nothing_and_loses_nothing(tmp_path: Path, store: list[str]):
    tracker = make_tracker(tmp_path, close_timeout_seconds=0.5)
    tracker.start(tmp_path, "name", {"a": "1"}, {}, step=0)
    time.sleep(0.5)
    with sqlite3.connect(tmp_path / "mlflow.db") as lock:
        lock.execute("BEGIN EXCLUSIVE")
        start = time.monotonic()
        for step in range(1000):
            tracker.log_metrics({"x": float(step)}, step)
        assert time.monotonic() - start < 1.0
        tracker.close("finished")
        assert not Journal(tmp_path).is_sent()
        lock.rollback()
    wait_for_sender(tracker)
    client, run = run_in(tmp_path)
    assert len(client.get_metric_history(run.info.run_id, "x")) == 1000
    assert run.info.status == "FINISHED"


def make_tracker(folder: Path, **changes: float) -> MlflowTracker:
    return MlflowTracker(
        uri=f"sqlite:///{folder}/mlflow.db",
        artifact_location=f"{folder}/mlruns",
        experiment_name="test",
        **{
            "flush_interval_seconds": 0.1,
            "system_metrics_interval_seconds": 0.0,
            "open_timeout_seconds": 10.0,
            "close_timeout_seconds": 10.0,
        }
        | changes,
    )


def wait_for_sender(tracker: MlflowTracker) -> None:
    tracker._sender.join(timeout=60)
    assert not tracker._sender.is_alive()


@pytest.mark.faults(1)
def test_a_store_that_vanishes_is_told_once_and_filled_later(
    tmp_path: Path, store: list[str], caplog: pytest.LogCaptureFixture
):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    overrides = [*untracked(TINY_HER), *store, "tracking.close_timeout_seconds=1"]
    with hydra_main(overrides, run_dir) as cfg:
        from experiment.run_folder.run_directory import write_config

        write_config(cfg, context_of_hydra())
    tracker = make_tracker(tmp_path, close_timeout_seconds=1.0)
    tracker.start(run_dir, "name", {"a": "1"}, {}, step=0)
    time.sleep(0.5)
    shutil.move(tmp_path / "mlflow.db", tmp_path / "gone.db")
    (tmp_path / "mlflow.db").mkdir()  # a database that cannot be opened
    for step in range(10):
        tracker.log_metrics({"x": float(step)}, step)
        time.sleep(0.1)
    tracker.close("finished")
    assert caplog.text.count("tracking is behind") == 1
    assert caplog.text.count("runs.py run=") == 1
    (tmp_path / "mlflow.db").rmdir()
    shutil.move(tmp_path / "gone.db", tmp_path / "mlflow.db")
    send_rest(run_dir)
    client, run = run_in(tmp_path)
    assert len(client.get_metric_history(run.info.run_id, "x")) == 10
    send_rest(run_dir)
    assert len(client.get_metric_history(run.info.run_id, "x")) == 10


@pytest.mark.faults(1)
def test_records_of_a_killed_process_are_kept(tmp_path: Path):
    code = (
        "import os, sys; from pathlib import Path; from experiment.tracking.journal import Journal;"
        "journal = Journal(Path(sys.argv[1]));"
        "[journal.append('metrics', step=i, time=0, values={'x': 1.0}) for i in range(100)];"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    journal = Journal(tmp_path)
    records, offset = journal.unsent(1000)
    assert [record["step"] for record in records] == list(range(100))
    journal.mark_sent(offset)
    assert Journal(tmp_path).is_sent()


@pytest.mark.faults(1)
def test_a_half_written_line_is_not_read(tmp_path: Path):
    journal = Journal(tmp_path)
    journal.append("tags", values={"a": "1"})
    with (tmp_path / "tracking.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"kind": "metr')
    records, _ = journal.unsent(10)
    assert [record["kind"] for record in records] == ["tags"]


@pytest.mark.faults(1)
def test_an_exception_marks_the_run_failed(tmp_path: Path, store: list[str], monkeypatch):
    from envs.point_reach import PointReach

    step = PointReach.step
    n_steps = 0

    def breaking(self, action):
        nonlocal n_steps
        n_steps += 1
        if n_steps == 200:
            raise ZeroDivisionError("the arm broke")
        return step(self, action)

    monkeypatch.setattr(PointReach, "step", breaking)
    with pytest.raises(RuntimeError, match="the arm broke"):
        train(tmp_path / "run", *untracked(TINY_HER), *store, "overlap=true")
    client, run = run_in(tmp_path)
    assert run.info.status == "FAILED"
    artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
    artifacts = {name for name in artifacts if not name.endswith(".patch")}  # a checkout at work
    assert "traceback.txt" in artifacts


def test_wrong_input_leaves_no_run(tmp_path: Path, store: list[str]):
    with pytest.raises(ValueError, match="n_epochs"):
        train(tmp_path / "run", *untracked(TINY_HER), *store, "n_epochs=0")
    assert_nothing_left(tmp_path)


def assert_nothing_left(tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert not client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert not (tmp_path / "run").exists()


def no_success(observation, reward, terminated, truncated, info):
    return observation, reward, terminated, truncated, {}


def not_a_number(observation, reward, terminated, truncated, info):
    return observation, float("nan"), terminated, truncated, info


def broken(*step):
    raise ZeroDivisionError("the arm broke")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (no_success, ValueError, "reports no success"),
        (not_a_number, ValueError, r"cannot be trained on: PointReach-v0 returned reward = nan"),
        (broken, ValueError, "step raised ZeroDivisionError: the arm broke"),
    ],
)
@pytest.mark.faults(1)
def test_a_broken_environment_leaves_no_run(
    change, error, message, tmp_path: Path, store: list[str], monkeypatch
):
    from envs.point_reach import PointReach

    step = PointReach.step
    monkeypatch.setattr(PointReach, "step", lambda self, action: change(*step(self, action)))
    with pytest.raises(error, match=message):
        train(tmp_path / "run", *untracked(TINY_HER), *store)
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://me:se/cret@host/db",
        "postgresql://me@host/db?password=secret",
        "https://me:secret@server",
    ],
)
def test_a_url_with_a_password_is_refused(uri: str):
    with pytest.raises(UserError, match=r"holds a password.*PGPASSWORD") as caught:
        connect(uri)
    assert "cret" not in str(caught.value)


def test_no_url_is_a_param(tmp_path: Path, store: list[str]):
    run_dir = tmp_path / "run"
    train(run_dir, *untracked(TINY_HER), *store)
    _, run = run_in(tmp_path)
    assert "sqlite" not in json.dumps(run.data.params)
    assert len((run_dir / RUN_ID).read_text(encoding="utf-8").strip()) == 32


@pytest.mark.faults(8)
def test_eight_processes_on_one_fresh_store(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path;"
        f"from {__name__} import make_tracker;"
        "folder = Path(sys.argv[1]); run_dir = folder / sys.argv[2]; run_dir.mkdir();"
        "tracker = make_tracker(folder, close_timeout_seconds=60.0);"
        "tracker.start(run_dir, sys.argv[2], {'n': sys.argv[2]}, {}, 0);"
        "[tracker.log_metrics({'x': float(i)}, i) for i in range(100)];"
        "tracker.close('finished')"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(i)]) for i in range(8)
    ]
    assert [worker.wait(timeout=100) for worker in workers] == [0] * 8
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert sorted(run.data.params["n"] for run in runs) == sorted(map(str, range(8)))
    for run in runs:
        assert len(client.get_metric_history(run.info.run_id, "x")) == 100
