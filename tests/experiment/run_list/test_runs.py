"""Runs are listed, told of and deleted: wholly, or not at all and with a word."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from experiment.run_folder.owner import owned
from experiment.run_list.command import look_after
from experiment.run_list.listed_run import listed_run
from interface.errors import UserError
from tests.running import TINY_HER, forked_command, hydra_main, train

TRACKED = [text for text in TINY_HER if text != "tracking=none"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """Two runs in one store: one that was continued, and another."""
    place = tmp_path_factory.mktemp("trained")
    shutil.copy(empty_store, place / "mlflow.db")
    common = [
        *TRACKED,
        f"data_dir={place}/data",
        f"tracking.uri=sqlite:///{place}/mlflow.db",
        f"tracking.artifact_location={place}/mlruns",
        "tracking.flush_interval_seconds=0.1",
    ]
    continued = place / "data/PointReach-v0/her/continued"
    train(continued, *common)
    train(continued, *common, "n_epochs=3", f"restore={continued}")
    train(place / "data/PointReach-v0/her/other", *common)
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Iterator[Path]:
    """The two runs, given back as they were: what the store holds are absolute paths."""
    shutil.copytree(trained, tmp_path / "kept")
    yield trained
    shutil.rmtree(trained)
    shutil.copytree(tmp_path / "kept", trained)


def runs(place: Path, *overrides: str) -> None:
    with hydra_main([f"data_dir={place}/data", *overrides], place, "runs") as cfg:
        chosen = dict(text.split("=", 1) for text in overrides)
        look_after(cfg, {"algorithm": chosen.get("algorithm")})


def rows_of(place: Path) -> dict[str, int]:
    """Count the rows that the store has of each run."""
    tables = ("runs", "metrics", "latest_metrics", "params", "tags")
    with closing(sqlite3.connect(place / "mlflow.db")) as database:
        names = [row[0] for row in database.execute("SELECT name FROM runs")]
        counts = [
            database.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables
        ]
    return {"runs": len(names), "rows": sum(counts)}


def folders(place: Path) -> set[str]:
    return {path.parent.name for path in (place / "data").rglob("config.yaml")}


def artifacts(place: Path) -> set[str]:
    return {path.name for path in (place / "mlruns").iterdir()}


def test_the_list(trained: Path, capsys: pytest.CaptureFixture[str]):
    runs(trained)
    title, first, second, total, sources = capsys.readouterr().out.splitlines()
    assert title.startswith("last start ")
    assert "finished" in first
    assert first.endswith("other")  # started last
    assert second.endswith("continued")
    assert " 450 " in second
    assert total.startswith("2 runs, ")
    assert "code that runs share" in sources


@pytest.mark.parametrize(
    ("filters", "n_found"),
    [
        (["env=PointReach-v0"], 2),
        (["algorithm=her", "status=finished", "started_by=user"], 2),
        (["env=FetchReach-v4"], 0),
        (["algorithm=sac"], 0),
        (["status=killed"], 0),
        (["started_by=search"], 0),
    ],
)
def test_filters(trained: Path, filters, n_found, capsys: pytest.CaptureFixture[str]):
    runs(trained, *filters)
    out = capsys.readouterr().out
    assert ("there is no such run" in out) == (n_found == 0)
    assert out.count("finished") == n_found


def test_the_size_counts_folder_and_artifacts(trained: Path):
    run = listed_run(trained / "data/PointReach-v0/her/other")
    assert run.artifacts is not None
    last, best = ((run.folder / name).stat().st_size for name in ("last.zip", "best_model.zip"))
    least = last + 2 * best
    assert least < run.size() < least + 150_000


def test_what_runs_share_is_stored_once(trained: Path):
    """The code of all runs, and each agent that is among the artifacts, too."""
    assert len(list((trained / "data/sources").iterdir())) == 1
    archives = {path.name for path in trained.rglob("*.zip") if path.parent.name != "sources"}
    assert archives == {"best_model.zip", "last.zip"}
    for copy in trained.rglob("artifacts/best_model.zip"):
        assert copy.stat().st_nlink == 2


def test_the_story(trained: Path, capsys: pytest.CaptureFixture[str]):
    runs(trained, "run=continued")
    out = capsys.readouterr().out
    assert "her on PointReach-v0, seed 1: finished after 450 steps" in out
    first, second = out.split("start 1: ")[1].split("start 2: ")
    assert "by user, from the beginning" in first
    assert "by user, from 300 on" in second
    assert "n_epochs=3" in second
    for part in (first, second):
        assert "commit " in part
        assert "torch " in part
    assert "worktree add" in second
    assert "restore=" in second


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["status=runningg"], "unknown status 'runningg'; did you mean running?"),
        (["started_by=users"], "did you mean user?"),
        (["run=othr"], r"there is no run 'othr'; did you mean .*other\?"),
        (["run=."], "is not a run's folder: it has no config.yaml"),
        (["delete=true"], "delete=true needs run=, env=, algorithm= or status="),
        (["delete=true", "run=other"], "nothing is deleted: nobody can be asked here"),
        (["delete=true", "status=killed"], "there is no such run"),
        (["delete=true", "send=true"], "one at a time: delete=true and send=true"),
        (["send=true"], "send=true needs run="),
    ],
)
def test_wrong_input(trained: Path, overrides, said, capsys):
    with pytest.raises(UserError, match=said):
        runs(trained, *overrides)
    assert folders(trained) == {"continued", "other"}
    assert rows_of(trained)["runs"] == 2


def test_a_damaged_folder_is_left_out_and_told(trained: Path, tmp_path: Path, capsys):
    shutil.copytree(trained / "data", tmp_path / "data")
    (tmp_path / "data/PointReach-v0/her/other/config.yaml").write_text("a: [")
    runs(tmp_path)
    out = capsys.readouterr().out
    assert "left out: " in out
    assert "other is no run that can be read" in out
    assert "continued" in out


def test_deleted_are_folder_artifacts_and_rows(place: Path, capsys):
    before = rows_of(place)
    runs(place, "run=continued", "delete=true", "ask=false")
    assert "1 run deleted" in capsys.readouterr().out
    assert folders(place) == {"other"}
    kept = listed_run(place / "data/PointReach-v0/her/other")
    assert kept.artifacts is not None
    assert artifacts(place) == {kept.artifacts.name}
    after = rows_of(place)
    assert after["runs"] == 1
    assert 0 < after["rows"] < before["rows"]


def test_the_question(place: Path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer in ("", "n"):
        monkeypatch.setattr("builtins.input", lambda _, said=answer: said)
        with pytest.raises(UserError, match="nothing is deleted"):
            runs(place, "status=finished", "delete=true")
    assert folders(place) == {"continued", "other"}
    monkeypatch.setattr("builtins.input", lambda _: "y")
    runs(place, "status=finished", "delete=true")
    assert folders(place) == set()
    assert rows_of(place)["rows"] == 0


@pytest.mark.faults(1)
def test_a_run_that_is_running_stays(place: Path):
    with running(place / "data/PointReach-v0/her/other"):
        with pytest.raises(UserError, match=r"other is running: on .* with pid"):
            runs(place, "run=[continued,other]", "delete=true", "ask=false")
        (place / "data/PointReach-v0/her/other/result.json").unlink()
        assert listed_run(place / "data/PointReach-v0/her/other").status == "running"
    assert listed_run(place / "data/PointReach-v0/her/other").status == "killed"
    assert folders(place) == {"continued", "other"}
    assert rows_of(place)["runs"] == 2


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Let another process own a run's folder."""
    ready, told = os.pipe()
    end, stop = os.pipe()
    child = os.fork()
    if child == 0:
        with owned(folder):
            os.write(told, b".")
            os.read(end, 1)
        os._exit(0)
    os.read(ready, 1)
    try:
        yield
    finally:
        os.write(stop, b".")
        os.waitpid(child, 0)
        for number in (ready, told, end, stop):
            os.close(number)


@pytest.mark.faults(1)
@pytest.mark.parametrize("uri", ["sqlite:////nowhere/mlflow.db", "http://127.0.0.1:9"])
def test_a_store_that_is_away_keeps_all(place: Path, uri: str):
    path = place / "data/PointReach-v0/her/other/config.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f"sqlite:///{place}/mlflow.db", uri), encoding="utf-8")
    with pytest.raises(UserError, match=r"nothing is deleted, for .*other is tracked: "):
        runs(place, "status=finished", "delete=true", "ask=false")
    assert folders(place) == {"continued", "other"}
    assert rows_of(place)["runs"] == 2


@pytest.mark.faults(1)
def test_what_stops_a_deletion_is_told_and_it_goes_on(place: Path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rmdir", fail_for("other"))
        with pytest.raises(UserError, match=r"0 of 1 run deleted; .* may be deleted in part"):
            runs(place, "run=other", "delete=true", "ask=false")
    (place / "data/PointReach-v0/her/other").mkdir(exist_ok=True)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail_for("evaluations.csv"))
        with pytest.raises(UserError, match=r"still listed; delete it again: .*busy"):
            runs(place, "run=continued", "delete=true", "ask=false")
    assert folders(place) == {"continued"}
    runs(place, "run=continued", "delete=true", "ask=false")
    assert "does not have the run" in capsys.readouterr().out
    assert folders(place) == set()


def fail_for(name: str):
    work = {"rmdir": Path.rmdir, "unlink": Path.unlink}["rmdir" if name == "other" else "unlink"]

    def fails(self: Path, *arguments, **keywords):
        if self.name == name:
            raise OSError(16, "device or resource busy", str(self))
        work(self, *arguments, **keywords)

    return fails


def test_a_copy_goes_without_the_run_in_the_store(place: Path, capsys):
    shutil.copytree(place / "data/PointReach-v0/her/other", place / "data/PointReach-v0/her/copied")
    runs(place, "run=copied", "delete=true", "ask=false")
    assert "is the same run" in capsys.readouterr().out
    assert folders(place) == {"continued", "other"}
    assert rows_of(place)["runs"] == 2


def test_the_command(trained: Path, tmp_path: Path):
    done = forked_command("experiment/runs.py", f"data_dir={trained}/data", "run=nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("there is no run 'nowhere'")
    listed = forked_command("experiment/runs.py", f"data_dir={trained}/data")
    assert listed.returncode == 0
    assert "2 runs" in listed.stdout


def test_dead_runs_are_ended_and_records_sent(place: Path, capsys):
    uri = f"sqlite:///{place}/mlflow.db"
    runs(place, "close_dead=true", f"uri={uri}")
    assert capsys.readouterr().out == "closed 0 runs\n"
    with pytest.raises(UserError, match="there is no MLflow database"):
        runs(place, "close_dead=true", "uri=sqlite:////nowhere.db")
    with closing(sqlite3.connect(place / "mlflow.db")) as database:
        database.execute("DELETE FROM metrics")
        database.commit()
    runs(place, "run=other", "send=true")
    assert "the store has all" in capsys.readouterr().out
    assert json.loads((place / "data/PointReach-v0/her/other/result.json").read_text())
