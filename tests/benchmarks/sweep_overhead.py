"""
What a sweeper costs beside its trials: ``python tests/benchmarks/sweep_overhead.py``.

On a task that sleeps: seconds per trial of a trivial task, ours and the stock sweeper in turns; the
share of idle workers with uneven trials; 500 trials on each storage, all booked. On PointReach:
wall-clock of as many trials by ours and by stock, in turns; and whether a fresh MLflow store holds
every metric of eight workers.
"""

import argparse
import csv
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import optuna

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY)

from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage  # noqa: E402

APP = REPOSITORY / "tests" / "apps" / "sleepy_task.py"
STUDY = "benchmark"


def sweep(folder: Path, sweeper: str, n_trials: int, *overrides: str) -> tuple[float, str]:
    """Run a sweep; return its seconds and what it said."""
    command = [
        *(sys.executable, str(APP), "--multirun", f"hydra/sweeper={sweeper}"),
        *(f"hydra.sweep.dir={folder}", f"hydra.sweeper.n_trials={n_trials}"),
        *(f"hydra.sweeper.study_name={STUDY}", *overrides),
    ]
    if sweeper == "optuna":
        command.append("hydra.sweeper.direction=maximize")
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return time.monotonic() - start, done.stdout


def trivial(n_rounds: int, n_few: int, n_many: int) -> None:
    """
    Seconds per trial: the difference of a long and a short sweep leaves the start-up out.

    Stock keeps trials in memory, unless it is told a storage; ours always keeps them on disk.
    """
    print("| sweeper | seconds per trivial trial, median of rounds | each round |\n|---|---|---|")
    peers = [("early_stop_tpe", ""), ("optuna", ""), ("optuna", "sqlite:///{}/study.db")]
    seconds: dict[tuple[str, str], list[float]] = {peer: [] for peer in peers}
    task = ("x=interval(0,1)", "epoch_seconds=0", "n_epochs=1", "early_stop_threshold=2")
    for _ in range(n_rounds):
        for (sweeper, storage), found in seconds.items():
            took = []
            for n_trials in (n_few, n_many):
                with tempfile.TemporaryDirectory() as folder:
                    stored = [f"hydra.sweeper.storage={storage.format(folder)}"] if storage else []
                    took.append(sweep(Path(folder), sweeper, n_trials, *task, *stored)[0])
            found.append((took[1] - took[0]) / (n_many - n_few))
    for (sweeper, storage), found in seconds.items():
        each = ", ".join(f"{value:.3f}" for value in found)
        name = f"{sweeper}, {storage.partition(':')[0] or 'as shipped'}"
        print(f"| {name} | {statistics.median(found):.3f} | {each} |", flush=True)


def idle(n_trials: int) -> None:
    """Idle share with trials that take from 0.5 to 10 seconds."""
    print("\n| workers | idle share | seconds |\n|---|---|---|")
    for n_jobs in (2, 4):
        with tempfile.TemporaryDirectory() as folder:
            seconds, said = sweep(
                Path(folder),
                "early_stop_tpe",
                n_trials,
                "epoch_seconds=interval(0.1,2.0)",
                "early_stop_threshold=2",
                f"hydra.sweeper.n_jobs={n_jobs}",
                "hydra/sweeper/sampler=random",
                "hydra/sweeper/pruner=none",
                "hydra.sweeper.no_sign_of_life=null",
            )
        (share,) = re.findall(r"workers were idle ([\d.]+) %", said)
        print(f"| {n_jobs} | {share} % | {seconds:.0f} |", flush=True)


def many(n_trials: int) -> None:
    """Count what is booked after many trials on each storage."""
    print("\n| storage | trials booked | values | seconds |\n|---|---|---|---|")
    for storage in ("study.journal", "sqlite:///{}/study.db"):
        with tempfile.TemporaryDirectory() as folder:
            path = storage.format(folder) if "://" in storage else f"{folder}/{storage}"
            seconds, _ = sweep(
                Path(folder),
                "early_stop_tpe",
                n_trials,
                *("x=interval(0,1)", "epoch_seconds=0", "n_epochs=1", "early_stop_threshold=2"),
                f"hydra.sweeper.storage={path}",
            )
            study = optuna.load_study(study_name=STUDY, storage=open_storage(path))
            finished = [trial for trial in study.trials if trial.state.is_finished()]
        n_values = sum(trial.values is not None for trial in finished)
        print(f"| {storage.partition(':')[0]} | {len(finished)} | {n_values} | {seconds:.0f} |")


POINT_REACH = (
    *("env=PointReach-v0", "policy=small", "tensorboard=false", "n_test_rollouts=10"),
    *("n_epochs=12", "eval_after_n_steps=200", "algorithm.learners.sac.batch_size=64"),
)
FETCH_REACH = ("env=FetchReach-v4", "algorithm=her", "tensorboard=false")
RATES = "algorithm.learners.sac.learning_rate=tag(log, interval(1e-4, 1e-2))"
GAMMAS = "algorithm.learners.sac.gamma=choice(0.8,0.9,0.95,0.99)"


def train(folder: Path, *overrides: str) -> float:
    """Search for two hyperparameters of a task; return the seconds."""
    command = [sys.executable, "experiment/train.py", "--multirun", RATES, GAMMAS]
    start = time.monotonic()
    subprocess.run(
        [*command, f"hydra.sweep.dir={folder}", *overrides],
        capture_output=True,
        check=True,
        cwd=REPOSITORY,
    )
    return time.monotonic() - start


STOCK = ("hydra/sweeper=optuna", "hydra.sweeper.direction=maximize")
ARMS = {
    "ours": ("hydra/sweeper=early_stop_tpe",),
    "stock + success stop": STOCK,
    "stock as shipped": (*STOCK, "early_stop_threshold=1.1"),
}


def live(n_rounds: int, n_trials: int) -> None:
    """Wall-clock of equally many screened configurations; ours verifies on top of that."""
    seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for number in range(n_rounds):
        for arm, overrides in ARMS.items():
            with tempfile.TemporaryDirectory() as folder:
                sweep = (
                    f"hydra.sweeper.n_trials={n_trials}",
                    f"hydra.sweeper.sampler.seed={number}",
                )
                shared = ("tracking=none", "n_parallel_runs=2", "seed=1")
                took = train(Path(folder), *FETCH_REACH, *sweep, *shared, *overrides)
                seconds[arm].append(took)
    print("\n| sweeper | seconds of each round | times ours |\n|---|---|---|")
    for arm, found in seconds.items():
        each = ", ".join(f"{value:.0f}" for value in found)
        ratio = statistics.median(a / b for a, b in zip(found, seconds["ours"], strict=True))
        print(f"| {arm} | {each} | {ratio:.2f} |")


def mlflow_store(n_trials: int) -> None:
    """Compare what a fresh store holds with what the runs wrote themselves."""
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = f"sqlite:///{folder}/mlflow.db"
        train(
            folder / "sweep",
            *POINT_REACH,
            f"tracking.uri={uri}",
            f"tracking.artifact_location={folder}/artifacts",
            f"hydra.sweeper.n_trials={n_trials}",
            "hydra.sweeper.n_jobs=8",
        )
        client = MlflowClient(uri)
        n_runs = n_values = n_missing = 0
        for path in folder.glob("sweep/**/evaluations.csv"):
            run_id = (path.parent / "mlflow_run_id").read_text().strip()
            rows = list(csv.DictReader(path.open()))
            sent = client.get_metric_history(run_id, "eval/success_rate")
            known = {metric.step: metric.value for metric in sent}
            n_runs += 1
            n_values += len(rows)
            n_missing += sum(
                known.get(int(row["step"])) != float(row["eval/success_rate"]) for row in rows
            )
    print(f"\nMLflow, 8 workers: {n_runs} runs, {n_values} evaluations, {n_missing} missing")


PARTS = ["trivial", "idle", "many", "live", "mlflow"]


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=PARTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=500)
    arguments = parser.parse_args()
    if "trivial" in arguments.parts:
        trivial(arguments.rounds, 4, 44)
    if "idle" in arguments.parts:
        idle(30)
    if "many" in arguments.parts:
        many(arguments.trials)
    if "live" in arguments.parts:
        live(arguments.rounds, 16)
    if "mlflow" in arguments.parts:
        mlflow_store(16)


if __name__ == "__main__":
    main()
