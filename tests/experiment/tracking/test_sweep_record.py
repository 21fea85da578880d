"""The run of a search in MLflow: it runs as long as the search does."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from omegaconf import OmegaConf

from experiment.tracking.dead_runs import close_dead_runs
from experiment.tracking.journal import Journal
from experiment.tracking.search_record import SweepRecord
from experiment.tracking.store import PROCESS, SWEEPER, connect
from interface.run_files import run_id_of
from tests.experiment.tracking.test_stores import dead_process, wait_until_sent
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


@pytest.mark.faults(1)
def test_a_search_that_is_started_again_sends_what_its_trials_have_left(
    tmp_path: Path, store: list[str], monkeypatch: pytest.MonkeyPatch
):
    uri, search = f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "search"
    folder = search / "0"
    folder.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr("experiment.tracking.tracker.identity", dead_process)
        patch.setattr("experiment.tracking.tracker.close_dead_runs", lambda client: 0)
        tracker = make_tracker(tmp_path)
        tracker.start(folder, "trial 0", {}, {"env": "A-v0"}, 0, sweep_dir=search)
        wait_until_sent(tracker)
        tracker.abandon()  # as if the store had been too slow for the end of the run
        journal = Journal(folder)
        journal.append("metrics", step=7, time=1, values={"x": 3.0})
        journal.append("end", status="FINISHED", time=2)
        journal.close()
    config = {"hydra": {"sweep": {"dir": str(search)}}, "tracking": {"uri": uri}}
    SweepRecord().on_multirun_end(OmegaConf.create(config))
    run = MlflowClient(uri).get_run(str(run_id_of(folder)))
    assert run.info.status == "FINISHED"
    assert run.data.metrics["x"] == 3.0
