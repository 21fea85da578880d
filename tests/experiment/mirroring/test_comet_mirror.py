"""The mirror copies every value once, survives kills and a broken Comet, and hides the key."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from experiment.mirroring.command import mirror as run_mirror
from experiment.mirroring.command import mirror_run
from experiment.mirroring.memory import Contents, Memory, save_memory
from experiment.mirroring.source import state_of
from interface.errors import UserError
from interface.resolvers import REPOSITORY
from tests.fake_comet import KEY, Comet, messages_of, others_in, params_in, points_in, points_of
from tests.running import CONF, TINY_HER, command, train


def mirror_command(folder: Path, *overrides: str) -> list[str]:
    uri = f"sqlite:///{folder}/mlflow.db"
    return ["experiment/comet_mirror.py", f"uri={uri}", f"archive_dir={folder}/comet", *overrides]


def mirror(folder: Path, *overrides: str, **env: str) -> tuple[int, str]:
    home = {"HOME": str(folder), **env}
    done = command(*mirror_command(folder, *overrides), env=home, timeout=600)
    return done.returncode, done.stdout + done.stderr


def make_runs(folder: Path, n_trials: int, n_points: int = 20) -> MlflowClient:
    """Make a sweep: a parent, and trials with params, tags, metrics and artifacts."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("sweep", artifact_location=f"{folder}/mlruns")
    parent = client.create_run(experiment, run_name="parent").info.run_id
    for trial in range(n_trials):
        tags = {"mlflow.parentRunId": parent, "env": "A-v0", "status": "finished"}
        run_id = client.create_run(experiment, run_name=f"trial {trial}", tags=tags).info.run_id
        metrics = [
            Metric(key, random.Random(trial).random() + step, 1_700_000_000_000 + step, step)
            for key in ("eval/success_rate", "train/critic_loss", "system/cpu")
            for step in range(n_points)
        ]
        params = [Param("algorithm.gamma", str(0.9 + trial / 100)), Param("seed", str(trial))]
        client.log_batch(run_id, metrics, params, [RunTag("algorithm", "her")])
        (folder / "train.log").write_text(f"trial {trial}\nends\n")
        client.log_artifact(run_id, str(folder / "train.log"))
        client.log_artifact(run_id, str(folder / "train.log"), "films")
        client.set_terminated(run_id)
    client.set_terminated(parent)
    return client


def assert_equal_to_mlflow(client: MlflowClient, folder: Path) -> None:
    """Compare value by value; each value is there once."""
    archived = messages_of(folder)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments)
    assert {run.info.run_id for run in runs} == set(archived)
    for run in runs:
        messages = archived[run.info.run_id]
        assert points_in(messages) == points_of(client, run)
        assert params_in(messages) == run.data.params
        assert run.data.tags.items() <= others_in(messages).items()
        assert others_in(messages)["Name"] == run.info.run_name
        if "mlflow.parentRunId" in run.data.tags:
            assert others_in(messages)["parent"] in archived
            assets = [m for m in messages if m["type"] == "file_upload"]
            names = sorted(m["payload"]["additional_params"]["fileName"] for m in assets)
            assert names == ["films/train.log", "train.log"]
            console = [m["payload"]["output"] for m in messages if m["type"] == "standard_output"]
            assert console[-1] == "ends\n"


def archives_in(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder / "comet").rglob("*.zip")}


def test_every_value_once_and_only_news(tmp_path: Path, store: list[str]):
    client = make_runs(tmp_path, 2)
    code, text = mirror(tmp_path)
    assert code == 0, text
    assert "3 runs in MLflow, 3 with news" in text
    assert "comet upload" in text
    assert_equal_to_mlflow(client, tmp_path)
    first = archives_in(tmp_path)
    run = client.search_runs(["1"], "params.seed = '0'")[0].info.run_id
    client.log_metric(run, "eval/success_rate", 1.0, 1_800_000_000_000, 99)
    client.set_tag(run, "verified", "true")
    assert "3 runs in MLflow, 1 with news" in mirror(tmp_path)[1]
    (news,) = set(archives_in(tmp_path)) - set(first)
    assert news.name == f"{run}-0001.zip"
    assert archives_in(tmp_path).items() >= first.items()
    with zipfile.ZipFile(news) as archive:
        messages = [json.loads(line) for line in archive.read("messages.json").splitlines()]
    assert points_in(messages) == {("eval/success_rate", 99, 1_800_000_000_000, 1.0): 1}
    assert others_in(messages) == {"offline_experiment": True, "verified": "true"}
    assert_equal_to_mlflow(client, tmp_path)


def test_what_was_mirrored_is_not_read_again(tmp_path: Path, store: list[str]):
    client = make_runs(tmp_path, 1)
    (run,) = client.search_runs(["1"], "params.seed = '0'")
    save_memory(Memory(state=state_of(run)), tmp_path / f"{run.info.run_id}.json")
    assert not mirror_run(client, run, tmp_path, "project")


def test_news_by_step_and_time():
    memory = Memory()
    memory.add(Contents(params={"a": "1"}, points={"x": [(0, 10, 1.0), (1, 20, 2.0)]}))
    now = Contents(params={"a": "1", "b": "2"}, points={"x": [(0, 10, 1.0), (1, 30, 2.0)]})
    assert memory.news(now) == Contents(params={"b": "2"}, points={"x": [(1, 30, 2.0)]})
    memory.add(memory.news(now))
    assert not memory.news(now)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.faults(20)
def test_twenty_kills_lose_and_double_nothing(tmp_path: Path, store: list[str]):
    client = make_runs(tmp_path, 20, n_points=50)
    moments = random.Random(1)
    n_killed = 0
    for _ in range(20):
        process = subprocess.Popen(
            [sys.executable, *mirror_command(tmp_path)],
            cwd=REPOSITORY,
            env=os.environ | {"HOME": str(tmp_path)},
            stdout=subprocess.DEVNULL,
        )
        time.sleep(moments.uniform(2, 6))
        n_killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    code, text = mirror(tmp_path)
    assert code == 0, text
    assert n_killed >= 10
    assert_equal_to_mlflow(client, tmp_path)
    assert not list((tmp_path / "comet").glob("unfinished-*"))


def expected_points(client: MlflowClient) -> Counter:
    return sum((points_of(client, run) for run in client.search_runs(["1"])), Counter())


@pytest.fixture
def comet() -> Iterator[Comet]:
    server = Comet()
    yield server
    server.server.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_upload(tmp_path: Path, store: list[str], comet: Comet):
    client = make_runs(tmp_path, 2)
    code, text = mirror(tmp_path, **{**comet.env, "COMET_API_KEY": "wrong"})
    assert code == 2
    assert text.strip().splitlines()[-1].startswith("Comet refuses the key")
    code, text = mirror(tmp_path, "workspace=nowhere", **comet.env)
    assert code == 2
    assert text.strip().splitlines()[-1] == "Comet has no workspace nowhere that this key may use"
    code, text = mirror(tmp_path, **comet.env)
    assert code == 0, text
    assert "3 archives uploaded" in text
    assert Counter(comet.points) == expected_points(client)
    assert "0 archives uploaded" in mirror(tmp_path, **comet.env)[1]
    assert Counter(comet.points) == expected_points(client)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fails_as", ["reset", "500"])
@pytest.mark.faults(1)
def test_an_upload_that_breaks_off_goes_on(
    tmp_path: Path, store: list[str], comet: Comet, fails_as: str
):
    """Comet knows a point by name, step and time: one that comes twice is one."""
    client = make_runs(tmp_path, 2)
    comet.fails_as, comet.n_good_answers = fails_as, 25
    code, text = mirror(tmp_path, **comet.env)
    assert code == 0, text
    assert "did not reach Comet" in text
    assert "will be sent by the next mirror" in text
    comet.fails_as = "nothing"
    assert mirror(tmp_path, **comet.env)[0] == 0
    assert set(comet.points) == set(expected_points(client))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.faults(1)
def test_a_comet_that_hangs_is_given_up(tmp_path: Path, store: list[str], comet: Comet):
    make_runs(tmp_path, 1)
    comet.delay_seconds = 60.0
    code, text = mirror(tmp_path, "upload_timeout_minutes=0.1", **comet.env)
    assert code == 0
    assert "no answer within 0.1 minutes" in text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_key_is_nowhere(tmp_path: Path, store: list[str], comet: Comet):
    """Neither the key of the environment nor that of the config shows, whatever happens."""
    make_runs(tmp_path, 1)
    (tmp_path / ".comet.config").write_text(f"[comet]\napi_key = {KEY}\n")
    comet.fails_as, comet.n_good_answers = "500", 8
    for env in (comet.env, {**comet.env, "COMET_API_KEY": ""}):
        assert KEY not in mirror(tmp_path, **env)[1]
        comet.fails_as = "nothing"
    (tmp_path / ".comet.config").unlink()
    for path in tmp_path.rglob("*"):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                assert all(KEY.encode() not in archive.read(name) for name in archive.namelist())
        elif path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_starts_its_mirror(tmp_path: Path, store: list[str], monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    overrides = [text for text in TINY_HER if text != "tracking=none"]
    mirrored = ["tracking=mlflow_comet", f"tracking.comet_archive_dir={tmp_path}/comet"]
    run_dir = tmp_path / "run"
    result = train(run_dir, *overrides, *store[1:], *mirrored)
    assert "comet_ml" not in sys.modules
    archive = tmp_path / f"comet/archives/{result.run_id}-0000.zip"
    end = time.monotonic() + 60
    while not archive.exists() and time.monotonic() < end:
        time.sleep(0.2)
    assert archive.exists(), (run_dir / "comet.log").read_text()


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ([], "there is no run in"),
        (["run=0123456789abcdef0123456789abcdef"], "the MLflow store has no such run"),
        (["upload=perhaps"], "upload must be auto, true or false, got perhaps"),
        (["upload=true"], "upload=true needs a key"),
        (["interval_minutes=-1"], "interval_minutes must be at least 0"),
        (["uri=sqlite:////nowhere/mlflow.db"], "there is no MLflow database /nowhere"),
    ],
)
def test_wrong_input(
    tmp_path: Path, store: list[str], monkeypatch, overrides: list[str], sentence: str
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("COMET_API_KEY", raising=False)
    given = [f"uri=sqlite:///{tmp_path}/mlflow.db", f"archive_dir={tmp_path}/comet", *overrides]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF)):
        cfg = compose("comet_mirror", overrides=given)
    with pytest.raises(UserError, match=sentence):
        run_mirror(cfg)
    assert "comet_ml" not in sys.modules
