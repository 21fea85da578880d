"""Three hosts, as network namespaces, and one study: a cable is pulled, a host is lost."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scale.postgres import Server, postgres
from tests.scale.test_shared_study import (
    arguments,
    check_each_once,
    database,
    outputs,
    start,
    trials_of,
    wait_for,
)

__all__ = ["database", "postgres"]

BRIDGE, NET = "subgoalbr", "10.213.77"
N_TRIALS = 40


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[list[list[str]]]:
    """Three namespaces with names of their own; how to run a command in each."""
    if os.geteuid() != 0:
        pytest.skip("only root makes network namespaces")
    names = [f"subgoal{number}" for number in range(3)]
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{NET}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, name in enumerate(names):
            ip("netns", "add", name)
            ip("link", "add", f"sg{number}", "type", "veth", "peer", "eth0", "netns", name)
            ip("link", "set", f"sg{number}", "master", BRIDGE, "up")
            ip("-n", name, "addr", "add", f"{NET}.{number + 2}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespaces here: {error}")
    as_host = 'hostname "$0"; exec "$@"'
    prefix = [["ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c"] for name in names]
    yield [[*words, as_host, name] for words, name in zip(prefix, names, strict=True)]
    for name in names:
        subprocess.run(["ip", "netns", "del", name], check=False)
    subprocess.run(["ip", "link", "del", BRIDGE], check=False)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_cable_is_pulled_and_a_host_is_lost(hosts, postgres: Server, database, tmp_path: Path):
    url = postgres.url(database.rpartition("/")[2], host=f"{NET}.1")
    folders = [tmp_path / name for name in "abc"]
    logs = [tmp_path / f"{folder.name}.log" for folder in folders]
    command = ("epoch_seconds=0.5", "hydra.sweeper.storage_patience_seconds=200")
    running = [
        start(log, arguments(folder, url, N_TRIALS, *command), *prefix)
        for prefix, folder, log in zip(hosts, folders, logs, strict=True)
    ]
    wait_for(database, 6)
    os.killpg(running[0].pid, signal.SIGKILL)
    ip("link", "set", "sg1", "down")
    time.sleep(45)  # longer than a heartbeat, and than connections are silently lost
    ip("link", "set", "sg1", "up")
    for sweeper in running[1:]:
        assert sweeper.wait(timeout=200) == 0, outputs(logs)
    check_each_once(database, folders, N_TRIALS)
    owners = {one.user_attrs["sweeper"].split("/")[0] for one in trials_of(database)}
    assert owners == {"subgoal0", "subgoal1", "subgoal2"}
    assert "queued again, as their sweeper is gone" in logs[2].read_text()
