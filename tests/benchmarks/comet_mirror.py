"""
What a mirror copies, and what it costs trials: ``python tests/benchmarks/comet_mirror.py sweep``.

``sweep``: a search of 20 trials on PointReach-v0, mirrored offline twice; metrics, params and tags
of each run compared with MLflow one by one. ``slow``, ``500``, ``reset``: sweeps with
``tracking=mlflow`` and ``mlflow_comet`` in turns, two trials at a time, the mirror running during
the trials as well, and a Comet on loopback that answers in this way.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
from mlflow import MlflowClient

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY)

from tests.fake_comet import (  # noqa: E402
    Comet,
    messages_of,
    others_in,
    params_in,
    points_in,
    points_of,
)

TASK = (
    *("env=PointReach-v0", "algorithm=her", "policy=small", "tensorboard=false"),
    *("n_test_rollouts=10", "eval_after_n_steps=250"),
)
RATES = "algorithm.learners.sac.learning_rate=tag(log, interval(1e-4, 1e-2))"
INTERVAL_MINUTES = 0.05
N_EPOCHS = 30  # about 15 s, as a short real run


def run(folder: Path, *command: str, **env: str) -> str:
    """Run a command with a home, and so without a key, of its own."""
    env = {**os.environ, "HOME": str(folder), **env}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


def store(folder: Path) -> list[str]:
    uri = f"sqlite:///{folder}/mlflow.db"
    return [f"tracking.uri={uri}", f"tracking.artifact_location={folder}/mlruns"]


def runs_of(folder: Path) -> tuple[MlflowClient, list]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiments = [found.experiment_id for found in client.search_experiments()]
    return client, list(client.search_runs(experiments))


def mirrored_sweep(n_trials: int) -> None:
    """Mirror a search offline, compare, and mirror it again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sweep = ["--multirun", RATES, f"hydra.sweep.dir={folder}/sweep", "n_epochs=4"]
        sweep.append("early_stop_threshold=1.1")  # none is good enough, so none runs again
        trials = f"hydra.sweeper.n_trials={n_trials}"
        run(folder, "experiment/train.py", *TASK, *sweep, trials, *store(folder))
        uri = f"uri=sqlite:///{folder}/mlflow.db"
        mirror = ["experiment/comet_mirror.py", uri, f"archive_dir={folder}/comet"]
        print(run(folder, *mirror).splitlines()[-2])
        compare(folder)
        before = archives(folder)
        print(run(folder, *mirror).splitlines()[-2])
        print("second mirror:", "nothing changed" if archives(folder) == before else "CHANGES")


def archives(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder / "comet").rglob("*.zip")}


def compare(folder: Path) -> None:
    client, runs = runs_of(folder)
    archived = messages_of(folder)
    print(f"{len(runs)} runs in MLflow, {len(archived)} in archives")
    equal = dict.fromkeys(("metric points", "params", "tags", "parents"), 0)
    total = dict(equal)
    for found in runs:
        messages = archived[found.info.run_id]
        points, tags = points_of(client, found), others_in(messages)
        pairs: dict[str, tuple[dict, dict]] = {
            "metric points": (points, points_in(messages)),
            "params": (found.data.params, params_in(messages)),
            "tags": (found.data.tags, {key: tags.get(key) for key in found.data.tags}),
            "parents": (
                {"parent": found.data.tags.get("mlflow.parentRunId")},
                {"parent": tags.get("parent")},
            ),
        }
        for kind, (there, here) in pairs.items():
            total[kind] += len(there.keys() | here.keys())
            equal[kind] += sum(there[key] == here.get(key) for key in there)
    for kind, n_equal in equal.items():
        print(f"{kind}: {n_equal} of {total[kind]} equal")


def slowdown(way: str, n_rounds: int, n_trials: int) -> None:
    """Compare the trials' times with and without a mirror that meets a broken Comet."""
    comet = Comet()
    comet.fails_as = way
    if way == "slow":
        comet.delay_seconds = 3.0
    else:
        comet.n_good_answers = 10  # then it breaks
    print("| round | seconds of the trials, mlflow | mlflow_comet | ratio of means |")
    print("|---|---|---|---|")
    ratios = []
    for number in range(n_rounds):
        kinds = ("mlflow", "mlflow_comet")
        each = {
            kind: trial_seconds(kind, n_trials, comet) for kind in kinds[:: 1 - 2 * (number % 2)]
        }
        plain, mirrored = each["mlflow"], each["mlflow_comet"]
        ratios.append(statistics.mean(mirrored) / statistics.mean(plain))
        print(f"| {number} | {listed(plain)} | {listed(mirrored)} | {ratios[-1]:.3f} |", flush=True)
    print(f"{way}: median of ratios {statistics.median(ratios):.3f}")


def listed(seconds: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in seconds)


def trial_seconds(tracking: str, n_trials: int, comet: Comet) -> list[float]:
    """Run trials, two at a time; tell the seconds from the start to the end of each in MLflow."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        seeds = ",".join(map(str, range(n_trials)))
        sweep = ["--multirun", "hydra/sweeper=basic", "hydra/launcher=joblib"]
        options = ["hydra.launcher.n_jobs=2", "n_parallel_runs=2", f"hydra.sweep.dir={folder}/s"]
        length = [f"seed={seeds}", f"n_epochs={N_EPOCHS}", "early_stop_threshold=1.1"]
        chosen = [f"tracking={tracking}", *store(folder)]
        if tracking == "mlflow_comet":
            chosen.append(f"tracking.comet_interval_minutes={INTERVAL_MINUTES}")
            chosen.append(f"tracking.comet_archive_dir={folder}/comet")
        arguments = [*TASK, *sweep, *options, *length, *chosen]
        run(folder, "experiment/train.py", *arguments, **comet.env)
        _, runs = runs_of(folder)
        seconds = [
            (found.info.end_time - found.info.start_time) / 1000
            for found in runs
            if "mlflow.parentRunId" in found.data.tags
        ]
        end_mirrors(folder)
        return seconds


def end_mirrors(folder: Path) -> None:
    """End the mirrors of a sweep before the next one is timed."""
    for process in psutil.process_iter(["cmdline"]):
        if f"uri=sqlite:///{folder}/mlflow.db" in " ".join(process.info["cmdline"] or []):
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["sweep", "slow", "500", "reset"])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--trials", type=int, default=None, help="20 of the sweep, else 4")
    arguments = parser.parse_args()
    if arguments.part == "sweep":
        mirrored_sweep(arguments.trials or 20)
    else:
        slowdown(arguments.part, arguments.rounds, arguments.trials or 4)


if __name__ == "__main__":
    main()
