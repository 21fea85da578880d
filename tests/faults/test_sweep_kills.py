"""Kill workers, sweepers and both at random moments: nothing that was finished is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import FrozenTrial, TrialState

from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from interface.resolvers import REPOSITORY

APP = REPOSITORY / "tests" / "apps" / "sleepy_task.py"
N_TRIALS = 10


def start(sweep_dir: Path, *overrides: str) -> subprocess.Popen:
    command = [
        sys.executable,
        str(APP),
        "--multirun",
        "x=interval(0,1)",
        "epoch_seconds=0.15",
        "hydra.sweeper.study_name=kills",
        f"hydra.sweeper.n_trials={N_TRIALS}",
        f"hydra.sweep.dir={sweep_dir}",
        "hydra.sweeper.heartbeat_seconds=0.5",
        "hydra.sweeper.heartbeat_timeout_seconds=5",
        "hydra.sweeper.max_losses=1000",
        *overrides,
    ]
    log = (sweep_dir.parent / "sweep.log").open("a")
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def workers_of(sweeper: subprocess.Popen) -> list[psutil.Process]:
    try:
        children = psutil.Process(sweeper.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if "loky" in " ".join(child.cmdline())]


def kill(sweeper: subprocess.Popen, what: str, rng: random.Random) -> None:
    workers = workers_of(sweeper)
    if what in ("worker", "both") and workers:
        os.kill(rng.choice(workers).pid, signal.SIGKILL)
    if what in ("sweeper", "both"):
        sweeper.kill()
        sweeper.wait()


def finished(sweep_dir: Path) -> dict[tuple[str, int], FrozenTrial]:
    journal = sweep_dir / "study.journal"
    if not journal.exists():
        return {}
    storage = open_storage(str(journal))
    return {
        (name, trial.number): trial
        for name in [study.study_name for study in storage.get_all_studies()]
        for trial in optuna.load_study(study_name=name, storage=storage).get_trials()
        if trial.state.is_finished()
    }


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.faults(50)
def test_fifty_kills_lose_nothing(tmp_path: Path):
    rng = random.Random(1)
    n_kills, n_sweeps = 0, 0
    while n_kills < 50:
        sweep_dir = tmp_path / f"sweep{n_sweeps}"
        n_sweeps += 1
        sweeper = start(sweep_dir)
        before: dict[tuple[str, int], FrozenTrial] = {}
        for _ in range(8):
            time.sleep(rng.uniform(1.5, 6.0))
            if sweeper.poll() is not None:
                break
            kill(sweeper, rng.choice(["worker", "sweeper", "both"]), rng)
            n_kills += 1
            now = finished(sweep_dir)
            for key, trial in before.items():
                assert now[key].values == trial.values
                assert now[key].datetime_complete == trial.datetime_complete
            before = now
            if sweeper.poll() is not None:
                sweeper = start(sweep_dir)
        assert sweeper.wait(timeout=120) == 0, (tmp_path / "sweep.log").read_text()[-3000:]
        check_complete(sweep_dir, before)


def check_complete(sweep_dir: Path, before: dict[tuple[str, int], FrozenTrial]) -> None:
    after = finished(sweep_dir)
    for key, trial in before.items():
        assert after[key].values == trial.values
    screening = [trial for (name, _), trial in after.items() if name == "kills"]
    assert len(screening) == N_TRIALS
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in screening)
    run_dirs = [trial.user_attrs["run"]["dir"] for trial in after.values()]
    assert len(set(run_dirs)) == len(run_dirs)
    assert (sweep_dir / "report.md").exists()
