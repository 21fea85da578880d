"""Several sweepers, one study in PostgreSQL: what they share, and what they survive."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from interface.errors import UserError
from interface.resolvers import REPOSITORY
from tests.running import command
from tests.scale.postgres import PASSWORD, Server, postgres

APP = str(REPOSITORY / "tests" / "apps" / "sleepy_task.py")
STUDY = "shared"

__all__ = ["postgres"]


@pytest.fixture
def database(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh database; this process knows the password, as its children do."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return postgres.create(f"d{uuid.uuid4().hex}")


def arguments(folder: Path, url: str, n_trials: int, *overrides: str) -> list[str]:
    return [
        *(APP, "--multirun", "x=interval(0,1)", f"hydra.sweep.dir={folder}"),
        *(f"hydra.sweeper.storage={url}", f"hydra.sweeper.study_name={STUDY}"),
        *(f"hydra.sweeper.n_trials={n_trials}", "hydra.sweeper.heartbeat_seconds=0.5"),
        *("hydra.sweeper.heartbeat_timeout_seconds=6", *overrides),
    ]


def start(log: Path, command: list[str], *prefix: str) -> subprocess.Popen:
    """Start a sweeper, in a group of its own with its workers."""
    return subprocess.Popen(
        [*prefix, sys.executable, *command],
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def trials_of(url: str, name: str = STUDY) -> list[FrozenTrial]:
    return optuna.load_study(study_name=name, storage=open_storage(url)).get_trials()


def wait_for(url: str, n_finished: int, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    n_now = 0
    while time.monotonic() < deadline:
        try:
            n_now = sum(one.state.is_finished() for one in trials_of(url))
        except KeyError:  # there is no study yet
            n_now = 0
        if n_now >= n_finished:
            return
        time.sleep(0.3)
    raise AssertionError(f"{n_now} of {n_finished} trials are done")


def check_each_once(url: str, folders: list[Path], n_trials: int) -> None:
    """Exactly ``n_trials`` are booked, and each run ended in one place, once."""
    trials, fresh = trials_of(url), trials_of(url, f"{STUDY}-fresh")
    finished = [one for one in trials if one.state.is_finished()]
    assert [one.number for one in finished] == list(range(n_trials))
    assert {one.state for one in finished} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert not [one for one in trials + fresh if one.state is TrialState.RUNNING]
    assert sum(one.user_attrs.get("origin") == "default" for one in trials) == 1
    fresh_of = Counter(one.user_attrs["candidate"] for one in fresh if one.state.is_finished())
    assert all(count <= 4 for count in fresh_of.values())
    seeds = [one.user_attrs["run"]["seed"] for one in fresh if one.state.is_finished()]
    assert len(set(seeds)) == len(seeds)
    ended = Counter(
        str(path.parent.relative_to(folder))
        for folder in folders
        for path in folder.rglob("ended.log")
        for _ in path.read_text().splitlines()
    )
    assert all(count == 1 for count in ended.values()), ended


def outputs(logs: list[Path]) -> str:
    return "\n".join(f"--- {log}\n{log.read_text()[-3000:]}" for log in logs)


@pytest.mark.timeout(240)
def test_three_sweepers_share_a_study_and_one_is_killed(database: str, tmp_path: Path):
    folders = [tmp_path / name for name in "abc"]
    logs = [tmp_path / f"{folder.name}.log" for folder in folders]
    running = [
        start(log, arguments(folder, database, 12, "epoch_seconds=0.2", "hydra.sweeper.n_jobs=1"))
        for folder, log in zip(folders, logs, strict=True)
    ]
    wait_for(database, 3)
    os.killpg(running[0].pid, signal.SIGKILL)
    for sweeper in running[1:]:
        assert sweeper.wait(timeout=150) == 0, outputs(logs)
    check_each_once(database, folders, 12)
    assert len({one.user_attrs["sweeper"] for one in trials_of(database)}) >= 2
    assert not [log for log in tmp_path.rglob("*") if log.is_file() and PASSWORD in read(log)]


def read(path: Path) -> str:
    return path.read_text(errors="replace")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seconds", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_a_sweep_waits_for_a_database_that_stops(
    seconds: float, postgres: Server, database: str, tmp_path: Path
):
    folder, log = tmp_path / "sweep", tmp_path / "log"
    sweeper = start(log, arguments(folder, database, 6, "epoch_seconds=0.3"))
    wait_for(database, 2)
    postgres.stop()
    time.sleep(seconds)
    postgres.start()
    assert sweeper.wait(timeout=150) == 0, outputs([log])
    check_each_once(database, [folder], 6)
    if seconds >= 30:
        assert "the study's database is away, waiting" in log.read_text()
        assert "answers again" in log.read_text()


@pytest.mark.parametrize(
    ("url", "password", "message"),
    [
        ("{url}", "", "no password supplied"),
        ("{url}_that_is_not_there", PASSWORD, "does not exist"),
        ("postgresql://subgoal@127.0.0.1:9/study", PASSWORD, "Connection refused"),
    ],
    ids=["no password", "no database", "no server"],
)
def test_a_database_that_refuses(url, password, message, database, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", password)
    wanted = url.format(url=database)
    with pytest.raises(UserError, match=message) as caught:
        open_storage(wanted)
    assert str(caught.value).startswith(f"cannot open hydra.sweeper.storage={wanted}: ")


def test_a_wrong_password_is_not_repeated(database: str, tmp_path: Path):
    task = arguments(tmp_path / "sweep", database, 2)
    done = command(*task, env={"PGPASSWORD": "wrong-password"})
    assert done.returncode != 0
    assert "password authentication failed for user" in done.stderr
    assert "wrong-password" not in done.stderr + done.stdout
    assert not (tmp_path / "sweep").exists()


def test_a_password_file_serves_as_well(postgres, database, tmp_path: Path, monkeypatch):
    monkeypatch.delenv("PGPASSWORD")
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{postgres.port}:*:subgoal:{PASSWORD}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert open_storage(database).get_all_studies() == []


def test_a_database_of_an_older_schema(postgres: Server, database: str):
    open_storage(database)
    postgres.sql("UPDATE alembic_version SET version_num = 'v2.4.0.a'", database.rpartition("/")[2])
    with pytest.raises(UserError, match=f"optuna storage upgrade --storage {database}"):
        open_storage(database)
