"""Kills of a launch with two training runs at once."""

import functools
import json
import shutil
from pathlib import Path

from experiment.run_folder.run_directory import load_config
from experiment.tracking.store import connect
from tests.faults.forks import ForkedCommand
from tests.faults.kill_runs import RUN
from tests.faults.kills import Summary
from tests.faults.repeats import Found
from tests.faults.repeats import campaign as kill

_SETS = [word for word in RUN if not word.startswith("seed=")]


def start(empty_store: Path, place: Path) -> ForkedCommand:
    """Start the launch, or start it again."""
    if not (place / "mlflow.db").exists():
        shutil.copy(empty_store, place / "mlflow.db")
    settings = dict(word.split("=", 1) for word in _SETS) | {
        "data_dir": f"'{place}/data'",
        "tracking.uri": f"'sqlite:///{place}/mlflow.db'",
        "tracking.artifact_location": f"'{place}/mlruns'",
    }
    arguments = ",".join(f"{key}:{value}" for key, value in settings.items())
    return ForkedCommand(
        "experiment/launch.py",
        *(f"arguments={{{arguments}}}", "n_seeds=2", f"output_dir={place}/out"),
        *("hydra.launcher.n_jobs=2", "hydra.launcher.free_memory_mb=0"),
        folder=place,
    )


def found_in(place: Path) -> Found:
    """Read how the runs ended, and what each has made."""
    found = Found()
    results = sorted((place / "out").glob("*/result.json"))
    found.parts["exit codes"] = [json.loads(path.read_text())["exit_code"] for path in results]
    store = f"sqlite:///{place}/mlflow.db"
    ended = sorted((place / "data").rglob("evaluations.csv"))
    found.parts["n_runs"] = len(ended)
    for path in ended:
        found.add_run(f"seed {load_config(path.parent).seed}", path.parent, store)
    found.add_store(store)
    return found


def campaign(n: int, seed: int, folder: Path) -> Summary:
    """Kill launches."""
    empty_store = folder / "empty.db"
    connect(f"sqlite:///{empty_store}")
    return kill(n, seed, folder, functools.partial(start, empty_store), found_in)
