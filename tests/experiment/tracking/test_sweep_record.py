"""The run of a search in MLflow: it runs as long as the search does."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from omegaconf import OmegaConf

from experiment.tracking.dead_runs import close_dead_runs
from experiment.tracking.search_record import SweepRecord, run_id_of
from experiment.tracking.store import PROCESS, SWEEPER, connect
from tests.experiment.tracking.test_stores import dead_process
from tests.experiment.tracking.test_tracking import make_tracker
from util.process_identity import identity


def start_trial(search: Path, number: int) -> str:
    folder = search / str(number)
    folder.mkdir(parents=True)
    tracker = make_tracker(search.parent)
    tracker.start(folder, f"trial {number}", {}, {"env": "A-v0"}, 0, sweep_dir=search)
    tracker.close("finished")
    return str(run_id_of(search))


@pytest.mark.faults(1)
def test_the_run_of_a_killed_search_is_closed_and_goes_on(
    tmp_path: Path, store: list[str], monkeypatch: pytest.MonkeyPatch
):
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv(SWEEPER, dead_process())
    with monkeypatch.context() as patch:
        patch.setattr("experiment.tracking.tracker.close_dead_runs", lambda client: 0)
        parent = start_trial(tmp_path / "search", 0)
    assert client.get_run(parent).info.status == "RUNNING"
    assert close_dead_runs(connect(f"sqlite:///{tmp_path}/mlflow.db")) == 1
    assert client.get_run(parent).info.status == "KILLED"
    SweepRecord().on_multirun_start(OmegaConf.create())  # the same search, again
    assert start_trial(tmp_path / "search", 1) == parent
    assert client.get_run(parent).info.status == "RUNNING"
    assert client.get_run(parent).data.tags[PROCESS] == identity()
    assert close_dead_runs(connect(f"sqlite:///{tmp_path}/mlflow.db")) == 0


@pytest.mark.faults(1)
def test_what_a_trial_sends_late_does_not_open_a_search_again(
    tmp_path: Path, store: list[str], monkeypatch: pytest.MonkeyPatch
):
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv(SWEEPER, identity())
    parent = start_trial(tmp_path / "search", 0)
    client.set_terminated(parent)
    monkeypatch.setenv(SWEEPER, dead_process())
    start_trial(tmp_path / "search", 1)
    assert client.get_run(parent).info.status == "FINISHED"
