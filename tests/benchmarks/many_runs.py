"""
How long pictures and ``run=best`` take among 1000 runs: ``python tests/benchmarks/many_runs.py``.

Makes the runs once, in ``data/many_runs``: in folders, and in an MLflow store, with 100 metrics of
20 evaluations each. The commands run as a user runs them; finding ``run=best`` leaves imports out.
"""

import argparse
import json
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

from hydra import compose, initialize_config_dir
from mlflow.entities import Metric, Param, RunTag

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[0] = str(REPOSITORY)

from omegaconf import DictConfig, OmegaConf  # noqa: E402

from experiment.run.provenance import config_params  # noqa: E402
from experiment.run_folder.run_directory import best_run  # noqa: E402
from experiment.tracking.store import connect  # noqa: E402

ENVS = ("FetchReach-v4", "PointReach-v0", "PointMaze_UMaze-v3", "WindingMaze-v0")
GAMMAS = (0.9, 0.95, 0.98, 0.99, 0.995)
N_SEEDS, N_METRICS, N_EPOCHS = 50, 100, 20
STEPS = 1000
TABLES = ("runs", "metrics", "latest_metrics", "params", "tags")
SHOWN = "eval/success_rate"
FOLDER = REPOSITORY / "data" / "many_runs"


def compose_config(env: str) -> DictConfig:
    with initialize_config_dir(str(REPOSITORY / "conf")):
        return compose("main", [f"env={env}", "algorithm_name=her", "seed=0", "preset=none"])


def template(folder: Path, env: str) -> str:
    """Log one run by MLflow itself; the others are copies of its rows."""
    client = connect(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment(env, f"{folder}/artifacts")
    tags = {"env": env, "algorithm": "her", "status": "finished"}
    tags |= {f"version.{number}": "1.2.3" for number in range(15)}
    run_id = client.create_run(experiment, tags=tags).info.run_id
    params = [Param(key, value) for key, value in config_params(compose_config(env)).items()]
    for start in range(0, len(params), 100):
        client.log_batch(run_id, params=params[start : start + 100])
    now = int(time.time() * 1000)
    keys = [SHOWN, *(f"train/metric_{number}" for number in range(N_METRICS - 1))]
    for epoch in range(1, N_EPOCHS + 1):
        points = [Metric(key, epoch / N_EPOCHS, now + epoch, STEPS * epoch) for key in keys]
        client.log_batch(run_id, points, tags=[RunTag("epoch", str(epoch))])
    client.set_terminated(run_id)
    return run_id


def copy_run(database: sqlite3.Connection, source: str, changes: dict[str, str], skill: float):
    """Copy the rows of a run; its success is scaled, some params are others."""
    run_id = uuid.uuid4().hex
    for table in TABLES:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        taken = [f"'{run_id}'" if name == "run_uuid" else name for name in columns]
        database.execute(
            f"INSERT INTO {table} ({','.join(columns)}) SELECT {','.join(taken)} FROM {table} "
            f"WHERE run_uuid = ?",
            [source],
        )
    for table in ("metrics", "latest_metrics"):
        database.execute(
            f"UPDATE {table} SET value = value * ? WHERE run_uuid = ? AND key = ?",
            [skill, run_id, SHOWN],
        )
    for key, value in changes.items():
        database.execute(
            "UPDATE params SET value = ? WHERE run_uuid = ? AND key = ?", [value, run_id, key]
        )


def write_folder(folder: Path, cfg: DictConfig, skill: float) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
    keys = [SHOWN, "time/time_elapsed", *(f"train/metric_{n}" for n in range(N_METRICS - 2))]
    lines = [",".join(["epoch", "step", *keys])]
    for epoch in range(1, N_EPOCHS + 1):
        values = [skill * epoch / N_EPOCHS, 10.0 * epoch, *([0.5] * (N_METRICS - 2))]
        lines.append(",".join(map(str, [epoch, STEPS * epoch, *values])))
    (folder / "evaluations.csv").write_text("\n".join(lines) + "\n")
    (folder / "result.json").write_text(json.dumps({"status": "finished", "score": skill}))
    (folder / "best_model.zip").touch()


def make(folder: Path) -> None:
    """Make the runs, those of the store and those in folders alike."""
    folder.mkdir(parents=True)
    rng = random.Random(1)
    for env in ENVS:
        source = template(folder, env)
        cfg = compose_config(env)
        database = sqlite3.connect(folder / "mlflow.db")
        for gamma in GAMMAS:
            for seed in range(N_SEEDS):
                skill = rng.uniform(0.3, 1.0)
                changes = {"seed": str(seed), "algorithm.learners.sac.gamma": str(gamma)}
                copy_run(database, source, changes, skill)
                cfg.seed, cfg.algorithm.learners.sac.gamma = seed, gamma
                write_folder(folder / "data" / env / "her" / f"g{gamma}-s{seed}", cfg, skill)
        for table in TABLES:
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", [source])
        database.commit()
        database.close()


def seconds_of(*command: str) -> tuple[float, float]:
    """Run a command; tell its seconds, and those of the processor."""
    start, used = time.monotonic(), processor_seconds()
    subprocess.run([sys.executable, *command], cwd=REPOSITORY, check=True, capture_output=True)
    return time.monotonic() - start, processor_seconds() - used


def processor_seconds() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def seconds_of_best() -> tuple[float, float]:
    """Find the best of each environment, imports left out."""
    start, used = time.monotonic(), time.process_time()
    for env in ENVS:
        best_run(env, "her", FOLDER / "data")
    return time.monotonic() - start, time.process_time() - used


def report(name: str, each: list[tuple[float, float]]) -> None:
    seconds, used = zip(*each, strict=True)
    shown = ", ".join(f"{value:.2f}" for value in seconds)
    medians = f"{statistics.median(seconds):.2f} | {statistics.median(used):.2f}"
    print(f"| {name} | {medians} | {shown} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = range(parser.parse_args().rounds)
    if not FOLDER.exists():
        make(FOLDER)
    uri = f"uri=sqlite:///{FOLDER}/mlflow.db"
    common = [f"data_dir={FOLDER}/data", uri, f"output_dir={FOLDER}/plots"]
    print("| command | seconds, median | of the processor | each round |\n|---|---|---|---|")
    for words in (["runs=all", "source=mlflow"], ["source=mlflow"], ["runs=all"]):
        plotted = [seconds_of("experiment/plot.py", *words, *common) for _ in rounds]
        report("plot.py " + " ".join(words), plotted)
    report("finding run=best", [seconds_of_best() for _ in rounds])


if __name__ == "__main__":
    main()
