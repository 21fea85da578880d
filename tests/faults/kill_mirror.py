"""Kills of the mirror while it writes archives of a search."""

import functools
from collections import Counter
from pathlib import Path

from experiment.tracking.store import connect
from tests.experiment.mirroring.test_comet_mirror import make_runs
from tests.fake_comet import messages_of, others_in, params_in, points_in, points_of
from tests.faults.forks import ForkedCommand
from tests.faults.kills import Summary
from tests.faults.repeats import Found
from tests.faults.repeats import campaign as kill

_OF_THE_MIRROR = "offline_experiment"


def start(folder: Path, place: Path) -> ForkedCommand:
    """Start the mirror, or start it again; it finds no key."""
    return ForkedCommand(
        "experiment/comet_mirror.py",
        *(f"uri=sqlite:///{folder}/mlflow.db", f"archive_dir={place}/comet"),
        folder=place,
        env={"HOME": str(place), "COMET_API_KEY": ""},
    )


def found_in(place: Path) -> Found:
    """Read all archives: each point, param, tag and file."""
    found = Found()
    for run_id, messages in messages_of(place).items():
        found.parts[f"{run_id} tags"] = others_in(messages)
        found.parts[f"{run_id} params"] = params_in(messages)
        found.points.update({(run_id, *point): n for point, n in points_in(messages).items()})
        found.points += Counter((run_id, *thing) for thing in _said(messages))
    found.parts["left over"] = [path.name for path in (place / "comet").glob("unfinished-*")]
    return found


def _said(messages: list[dict]) -> list[tuple[str, str]]:
    """List params, tags and files as often as they are there."""
    said = []
    for message in messages:
        kind, payload = message["type"], message["payload"]
        if kind == "log_other" and payload["key"] != _OF_THE_MIRROR:
            said.append((kind, payload["key"]))
        elif kind == "parameter_msg":
            said.append((kind, payload["param"]["paramName"]))
        elif kind == "file_upload":
            said.append((kind, payload["additional_params"]["fileName"]))
    return said


def campaign(n: int, seed: int, folder: Path) -> Summary:
    """Kill mirrors; what they archive is what MLflow holds."""
    connect(f"sqlite:///{folder}/mlflow.db")
    client = make_runs(folder, 2, n_points=10)
    summary = kill(n, seed, folder, functools.partial(start, folder), found_in)
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    of_mlflow = sum((points_of(client, run) for run in runs), Counter())
    archived = messages_of(folder / "whole")
    of_twin = sum((points_in(messages) for messages in archived.values()), Counter())
    if of_mlflow != of_twin or len(archived) != len(runs):
        summary.bad.append("the uninterrupted mirror has other points than MLflow")
    return summary
