"""Real sweeps of a task that only sleeps: what is left, what resumes, what is refused."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState

from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from interface.resolvers import REPOSITORY
from tests.running import forked_command

APP = str(REPOSITORY / "tests" / "apps" / "sleepy_task.py")
STOP_FILE = "delete_me_to_stop_hyperopt"


def arguments(sweep_dir: Path, *overrides: str) -> list[str]:
    defaults = {
        "x": "interval(0,1)",
        "epoch_seconds": "0.01",
        "hydra.sweeper.study_name": "test",
        "hydra.sweeper.n_trials": "4",
        "hydra.sweeper.sampler.seed": "1",
        "hydra.sweep.dir": str(sweep_dir),
    }
    given = dict(text.split("=", 1) for text in overrides)
    return [APP, "--multirun", *(f"{key}={value}" for key, value in (defaults | given).items())]


def sweep(sweep_dir: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return forked_command(*arguments(sweep_dir, *overrides))


def study(sweep_dir: Path, name: str = "test") -> optuna.Study:
    storage = open_storage(str(sweep_dir / "study.journal"))
    return optuna.load_study(study_name=name, storage=storage)


def test_a_sweep_from_start_to_resume(tmp_path: Path):
    done = sweep(tmp_path, "seed=7")
    assert done.returncode == 0, done.stderr
    first = study(tmp_path).trials
    assert [trial.number for trial in first] == [0, 1, 2, 3]
    assert first[0].params["x"] == 0.1
    assert first[0].user_attrs["origin"] == "default"
    assert {trial.user_attrs["run"]["seed"] for trial in first} == {7}
    assert len({trial.user_attrs["run"]["commit"] for trial in first}) == 1
    results = OmegaConf.load(tmp_path / "optimization_results.yaml")
    assert results.best_trial in range(4)
    (tuned,) = tmp_path.glob("tuned*.yaml")
    assert OmegaConf.load(tuned).x == results.best_params.x
    assert (tuned.name == "tuned.yaml") is results.verified
    assert "Workers were idle" in (tmp_path / "report.md").read_text()
    assert not (tmp_path / STOP_FILE).exists()

    done = sweep(tmp_path, "hydra.sweeper.n_trials=6")
    assert done.returncode == 0, done.stderr
    after = study(tmp_path).trials
    assert [trial.number for trial in after] == list(range(6))
    assert [trial.values for trial in after[:4]] == [trial.values for trial in first]
    fresh = study(tmp_path, "test-fresh").trials
    seeds = [trial.user_attrs["run"]["seed"] for trial in fresh]
    assert len(set(seeds)) == len(seeds)
    assert 7 not in seeds

    refused = sweep(tmp_path, "x=interval(0,2)")
    assert refused.returncode != 0
    assert "searches another space (different: x)" in refused.stderr


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["x=0.3"], "nothing to search"),
        (["x=interval(0.5,0.5)"], "one possible value"),
        (["z=interval(0,1)"], "Could not override 'z'"),
        (["hydra.sweeper.n_trials=0"], "must be at least 1"),
        (["hydra.sweeper.storage=/proc/nowhere/study.journal"], "cannot write the study's journal"),
        (["hydra.sweeper.storage=postgresql://me:secret@host/db"], "holds a password"),
        (["hydra.sweeper.warm_start=nowhere"], "neither a YAML file nor a sweep's folder"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_input_is_told_before_the_first_trial(overrides, message, tmp_path: Path):
    done = sweep(tmp_path / "sweep", *overrides)
    assert done.returncode != 0
    assert message in done.stderr
    assert "secret" not in done.stderr + done.stdout
    assert not list(tmp_path.glob("sweep/0"))


@pytest.mark.parametrize(
    ("overrides", "returncode", "states"),
    [
        (["returns=not_a_number"], 0, [TrialState.COMPLETE] * 4),
        (["returns=number"], 0, [TrialState.COMPLETE] * 4),
        (["returns=nothing", "hydra.sweeper.max_failure_rate=1"], 0, [TrialState.FAIL] * 4),
        (["fails=true", "hydra.sweeper.max_failure_rate=1"], 0, [TrialState.FAIL] * 4),
        (["fails=true", "hydra.sweeper.max_failure_rate=0", "hydra.sweeper.n_jobs=1"], 1, None),
    ],
    ids=["nan", "number", "nothing", "failing", "too many failures"],
)
def test_how_trials_end(overrides, returncode, states, tmp_path: Path):
    done = sweep(tmp_path, *overrides)
    assert (done.returncode != 0) == bool(returncode), done.stderr
    trials = study(tmp_path).trials
    if states is not None:
        assert [trial.state for trial in trials] == states
    if "fails=true" in overrides:
        assert "saved" not in (tmp_path / "report.md").read_text()
        assert "failed" in done.stdout  # with one job at a time, too
    if "fails=true" in overrides:
        assert all("as it was told to" in trial.user_attrs["traceback"] for trial in trials[:1])
    if "fails=true" in overrides and states is not None:
        assert all(trial.user_attrs["retries"] == 1 for trial in trials)


def test_what_every_trial_refuses_in_the_same_words_ends_the_sweep(tmp_path: Path):
    """Also where more failures were allowed: it is none of the choices."""
    done = sweep(tmp_path, "returns=refusal", "hydra.sweeper.n_trials=20", "hydra.sweeper.n_jobs=1")
    assert done.returncode != 0
    assert "all trials were refused, the last one with: no value of x is right" in done.stderr
    assert [trial.state for trial in study(tmp_path).trials] == [TrialState.FAIL] * 3


def start(sweep_dir: Path, *overrides: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments(sweep_dir, *overrides)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_trials(sweep_dir: Path, n: int, *, running: bool = False) -> None:
    """Wait until so many trials are finished, or run."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(KeyError):  # the journal is there a moment before the study
            journal = (sweep_dir / "study.journal").exists()
            trials = study(sweep_dir).trials if journal else []
            states = [trial.state for trial in trials]
            found = [one is TrialState.RUNNING if running else one.is_finished() for one in states]
            if sum(found) >= n:
                return
        time.sleep(0.2)
    raise AssertionError("the sweep did not get that far")


SLOW = ("hydra.sweeper.n_trials=1000", "epoch_seconds=0.1")


def test_a_study_is_named_after_its_folder(tmp_path: Path):
    task = (APP, "--multirun", "x=interval(0,1)", "epoch_seconds=0.3", "hydra.sweeper.n_trials=3")
    name = "${sweep_name:${oc.select:hydra.sweeper.study_name,null}}"
    done = forked_command(*task, f"hydra.sweep.dir='{tmp_path}/{name}'")
    assert done.returncode == 0, done.stderr
    (sweep_dir,) = tmp_path.iterdir()
    assert len(study(sweep_dir, sweep_dir.name).trials) == 3


def test_deleting_the_stop_file_drains(tmp_path: Path):
    running = start(tmp_path, *SLOW)
    wait_for_trials(tmp_path, 1)
    (tmp_path / STOP_FILE).unlink()
    output, _ = running.communicate(timeout=60)
    assert running.returncode == 0, output
    assert "the stop file was deleted" in output
    trials = study(tmp_path).trials
    assert all(trial.state.is_finished() for trial in trials)
    assert (tmp_path / "report.md").exists()


@pytest.mark.parametrize("whom", ["sweeper", "all"])
@pytest.mark.faults(1)
def test_an_interrupt_queues_what_runs(whom: str, tmp_path: Path):
    running = start(tmp_path, *SLOW, "epoch_seconds=1")  # else the signal may come between two
    wait_for_trials(tmp_path, 1, running=True)
    if whom == "all":  # as a terminal does
        os.killpg(running.pid, signal.SIGINT)
    else:
        running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=60)
    assert "interrupted" in output
    states = [trial.state for trial in study(tmp_path).trials]
    assert TrialState.RUNNING not in states
    assert TrialState.FAIL not in states
    assert TrialState.WAITING in states
    n_trials = len(states)
    done = sweep(tmp_path, f"hydra.sweeper.n_trials={n_trials}")
    assert done.returncode == 0, done.stderr
    assert all(trial.state.is_finished() for trial in study(tmp_path).trials)
    assert len(study(tmp_path).trials) == n_trials


def test_the_time_limit_ends_running_trials(tmp_path: Path):
    done = sweep(tmp_path, *SLOW, "epoch_seconds=0.3", "hydra.sweeper.max_duration_minutes=0.1")
    assert done.returncode == 0, done.stderr
    assert "the time is up" in done.stdout


@pytest.mark.parametrize("sweeper", ["basic", "optuna"])
def test_stock_sweepers_stay_usable(sweeper: str, tmp_path: Path):
    sweeps = {"basic": "x=0.1,0.2", "optuna": "x=interval(0,1)"}
    extra = {
        "basic": [],
        "optuna": ["hydra.sweeper.n_trials=2", "hydra.sweeper.direction=maximize"],
    }
    done = forked_command(
        APP,
        "--multirun",
        f"hydra/sweeper={sweeper}",
        sweeps[sweeper],
        "epoch_seconds=0",
        f"hydra.sweep.dir={tmp_path}",
        *extra[sweeper],
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*/ended.log"))) == 2
