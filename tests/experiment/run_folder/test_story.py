"""Every start of a run is told of, ``latest`` goes by it, and a run is at home where it lies."""

import json
import os
import shutil
from pathlib import Path

import pytest

import hydra_plugins.subgoal_configs.plugin  # noqa: F401 (it reads where the repository is, once)
from experiment.plotting.run_folders import run_folders
from experiment.regression.rerun import differences_of_origin
from experiment.run.provenance import code_version, package_versions
from experiment.run_folder.run_directory import find_run, latest_run, load_config
from experiment.run_folder.story import STARTED_BY, Start, add_start, command_of, starts_of
from experiment.tracking.store import connect
from interface import resolvers
from interface.errors import UserError
from interface.run_context import RunContext
from tests.running import TINY_HER, hydra_main, train


def made(folder: Path, *starts: tuple[int, str]) -> Path:
    """Make a run that was started in these years by these."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    (folder / "last.zip").touch()
    for year, who in starts:
        start = Start(f"{year}-01-01T00:00:00.000+00:00", "", "", who, 0, {})
        add_start(folder, start, goes_on=True)
    return folder


def test_the_latest_run_is_one_that_a_user_started(tmp_path: Path):
    for number, who in enumerate(("search", "matrix", "rerun")):
        made(tmp_path / who, (2030 + number, who))
    with pytest.raises(UserError, match="none of the 3 runs with a checkpoint"):
        latest_run(tmp_path)
    made(tmp_path / "old", (2024, "user"))
    assert latest_run(tmp_path) == tmp_path / "old"
    made(tmp_path / "new", (2025, "user"))
    assert find_run("latest", tmp_path) == tmp_path / "new"
    made(tmp_path / "gone on", (2023, "search"), (2026, "user"), (2027, "rerun"))
    assert latest_run(tmp_path) == tmp_path / "gone on"
    names = [path.name for path in run_folders(tmp_path, [], 2)]
    assert names == ["gone on", "new"]  # of plots, too
    assert len(run_folders(tmp_path, [], None)) == 6


def test_a_copied_or_touched_run_is_no_later_one(tmp_path: Path):
    old, _ = made(tmp_path / "old", (2024, "user")), made(tmp_path / "new", (2025, "user"))
    shutil.copytree(old, tmp_path / "copied")
    for path in old.iterdir():
        os.utime(path, (2_000_000_000, 2_000_000_000))
    assert latest_run(tmp_path) == tmp_path / "new"


def test_who_started_a_run(monkeypatch, tmp_path: Path):
    def starter(sweep_dir: Path | None = None) -> str:
        return Start.now(RunContext(tmp_path, sweep_dir, (), {}), 0, {}).started_by

    assert (starter(), starter(tmp_path)) == ("user", "search")
    monkeypatch.setenv(STARTED_BY, "rerun")
    assert starter() == "rerun"


def test_a_command_can_be_pasted(monkeypatch, tmp_path: Path):
    monkeypatch.setattr("sys.argv", ["experiment/train.py", "a=1", "data_dir='/my runs'"])
    first = RunContext(tmp_path, None, ("a=1",), {})
    assert command_of(first) == "python experiment/train.py a=1 'data_dir=/my runs'"
    later = RunContext(tmp_path, None, ("n_epochs=3", "restore='/my runs/1'"), {})
    assert command_of(later) == "python experiment/train.py n_epochs=3 'restore=/my runs/1'"


@pytest.fixture(scope="module")
def continued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed before its result, went on, and had a later end."""
    run_dir = tmp_path_factory.mktemp("data") / "run"
    train(run_dir, *TINY_HER)
    (run_dir / "result.json").unlink()
    train(run_dir, *TINY_HER, f"restore={run_dir}")
    train(run_dir, *TINY_HER, "n_epochs=3", f"restore={run_dir}")
    return run_dir


def test_the_whole_story(continued: Path):
    starts = starts_of(continued)
    assert [one.step for one in starts] == [0, 300, 300]
    assert [one.time for one in starts] == sorted(one.time for one in starts)
    assert "n_epochs=3" in starts[2].command
    assert starts[0].directory == str(Path.cwd())
    expected = code_version() | package_versions()
    assert all(one.origin.items() >= expected.items() for one in starts)


def test_a_rerun_names_what_differs_from_any_start(continued: Path, tmp_path: Path):
    assert differences_of_origin(continued) == []
    shutil.copy(continued / "provenance.json", tmp_path)
    content = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))
    content[0]["origin"]["version.torch"] = "1.0"
    (tmp_path / "provenance.json").write_text(json.dumps(content), encoding="utf-8")
    (difference,) = differences_of_origin(tmp_path)
    assert difference.startswith("version.torch was 1.0, is ")


def test_a_run_that_begins_anew_begins_its_story(tmp_path: Path):
    made(tmp_path / "run", (2024, "user"))
    start = Start("2025-01-01T00:00:00.000+00:00", "", "", "user", 0, {})
    add_start(tmp_path / "run", start, goes_on=False)
    assert starts_of(tmp_path / "run") == [start]


def test_what_a_version_before_noted_is_read(tmp_path: Path):
    run = made(tmp_path / "run")
    assert starts_of(run) == []
    (run / "provenance.json").write_text(json.dumps({"git.commit": "abc"}), encoding="utf-8")
    (start,) = starts_of(run)
    assert start.origin == {"git.commit": "abc"}
    assert latest_run(tmp_path) == run


def test_a_moved_run_is_tracked_where_it_is(tmp_path: Path, empty_store: Path, monkeypatch, caplog):
    """Unless a store was named, it is that of the repository: all of the run comes there."""
    for clone in ("here", "there"):
        (tmp_path / clone).mkdir()
        shutil.copy(empty_store, tmp_path / clone / "mlflow.db")
    run = [text for text in TINY_HER if text != "tracking=none"]
    monkeypatch.setattr(resolvers, "REPOSITORY", tmp_path / "here")
    train(tmp_path / "here/run", *run)
    config = (tmp_path / "here/run/config.yaml").read_text(encoding="utf-8")
    assert "uri: sqlite:///${repository:}/mlflow.db" in config
    shutil.move(tmp_path / "here/run", tmp_path / "there/run")
    monkeypatch.setattr(resolvers, "REPOSITORY", tmp_path / "there")
    restored = load_config(tmp_path / "there/run")
    assert restored.tracking.uri == f"sqlite:///{tmp_path}/there/mlflow.db"
    assert restored.data_dir == f"{tmp_path}/there/data"
    train(tmp_path / "there/run", *run, "n_epochs=3", f"restore={tmp_path}/there/run")
    assert "does not have this run; it gets all of it" in caplog.text
    assert points_in(tmp_path / "here") == [150, 300]
    assert points_in(tmp_path / "there") == [150, 300, 450]


def points_in(clone: Path) -> list[int]:
    client = connect(f"sqlite:///{clone}/mlflow.db")
    (run,) = client.search_runs([found.experiment_id for found in client.search_experiments()])
    history = client.get_metric_history(run.info.run_id, "eval/success_rate")
    return [point.step for point in history]


def test_a_store_that_was_named_stays(tmp_path: Path):
    overrides = [*TINY_HER, "tracking=mlflow", "tracking.uri=sqlite:////elsewhere/mlflow.db"]
    from experiment.cli.context import context_of_hydra
    from experiment.run_folder.run_directory import write_config

    with hydra_main(overrides, tmp_path) as cfg:
        write_config(cfg, context_of_hydra())
    assert load_config(tmp_path).tracking.uri == "sqlite:////elsewhere/mlflow.db"
    assert "artifact_location: ${repository:}/mlruns" in (tmp_path / "config.yaml").read_text()
