"""All commands, in the checkout of this file; told what to do on stdin by ``leaks.py``."""

import gzip
import json
import sys
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import psutil

from interface.resolvers import REPOSITORY
from tests import fake_comet
from tests.faults.forks import ForkedCommand

_RUN = [
    "env=PointReach-v0",
    "policy=small",
    "preset=none",
    "n_epochs=2",
    "eval_after_n_steps=150",
    "n_test_rollouts=2",
    "n_threads=1",
    "overlap=false",
    "early_stop_threshold=1.1",
    "algorithm.learners.sac.buffer_size=1000",
    "tracking.system_metrics_interval_seconds=0",
]
_FILM = ["render=record", "render.n_episodes=1", "render.width=240", "render.height=240"]
_SEARCH = [
    "--multirun",
    *_RUN,
    "hydra.sweeper.study_name=mine",
    "hydra.sweeper.n_trials=2",
    "hydra.sweeper.n_jobs=1",
    "hydra.sweep.dir=data/search",
    "algorithm.learners.sac.learning_rate=choice(0.0003,0.003)",
]
_TRAIN, _EVALUATE, _PLOT = (f"experiment/{name}.py" for name in ("train", "evaluate", "plot"))
_MIRROR, _FIRST = "experiment/comet_mirror.py", "run=data/first"
_RUNS = "experiment/runs.py"
_DATABASE, _FROM_VARIABLE = "postgresql://me:{}@127.0.0.1:9/db", "${oc.env:DATABASE_URL}"


class Comet(fake_comet.Comet):
    """A Comet that keeps what it is sent; the key is for it alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__()

    def reply(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, Any]]:
        zipped = request.headers.get("Content-Encoding") == "gzip"
        content = (gzip.decompress(body) if zipped else body).replace(fake_comet.KEY.encode(), b"")
        (self._folder / uuid.uuid4().hex).write_bytes(content)
        return super().reply(request, body)


@dataclass
class Commands:
    """
    Runs commands one after the other.

    :param folder: for what they say
    :param env: variables to set
    :param bad: those that ended otherwise than meant
    """

    folder: Path
    env: dict[str, str]
    bad: list[str] = field(default_factory=list)

    def run(self, script: str, *arguments: str, ends_with: int = 0) -> None:
        """Run one."""
        number = len(list(self.folder.iterdir()))
        place = self.folder / f"{number}"
        place.mkdir()
        command = ForkedCommand(script, *arguments, folder=place, cwd=REPOSITORY, env=self.env)
        code = command.wait(300)
        if code != ends_with:
            said = (command.stdout + command.stderr)[-500:]
            self.bad.append(f"{script} {number} ended with {code}, not {ends_with}: {said}")
        while _mirrors_run():
            time.sleep(0.5)


def _mirrors_run() -> bool:
    """Tell whether a run that has ended is still being mirrored."""
    words = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return any(str(REPOSITORY / _MIRROR) in command for command in words)


def work(commands: Commands) -> None:
    """Do what every user does."""
    commands.run(
        _TRAIN, *_RUN, *_FILM, "seed=1", "tracking=mlflow_comet", "hydra.run.dir=data/first"
    )
    commands.run(_EVALUATE, _FIRST, "n_episodes=2", *_FILM, "export=data/agent.zip")


def work_more(commands: Commands) -> None:
    """Run every other command."""
    commands.run(_TRAIN, "restore=data/first", "n_epochs=3")
    commands.run("experiment/rerun.py", "data/first")
    commands.run(_EVALUATE, _FIRST, "compare=data/agent.zip", "env=PointReach-v0", "n_episodes=2")
    commands.run(_TRAIN, *_RUN, "seed=2", "imports=[no_such_package]", ends_with=2)
    commands.run(_TRAIN, *_SEARCH, "seed=1", "hydra.sweeper.storage=sqlite:///data/study.db")
    commands.run(_PLOT, "runs=all", "n_resamples=50")
    commands.run(_PLOT, "source=mlflow", "n_resamples=50")
    commands.run(_PLOT, "study=sqlite:///data/study.db", "study_name=mine")
    given = ",".join(":".join(word.split("=", 1)) for word in _RUN)
    commands.run("experiment/launch.py", f"arguments={{{given}}}", "output_dir=data/launch")
    row = ["--filter", "PointReach-v0_her-sac", "-p", "1", "-t", "function"]
    commands.run("-m", "experiment.regression", *row)
    commands.run(_RUNS, _FIRST, "send=true")
    commands.run(_RUNS, "close_dead=true")
    commands.run(_RUNS, _FIRST)
    commands.run(_TRAIN, *_RUN, "--cfg", "job")
    commands.run(_MIRROR, "upload=false")


def be_careless(commands: Commands, password: str) -> None:
    """Give a password where none belongs; all of it is refused."""
    url = _DATABASE.format(password)
    for words in (
        [*_RUN, f"tracking.uri={url}"],
        [*_RUN, f"+tracking.uri=https://me:{password}@127.0.0.1:9"],
        [*_RUN, f"tracking.uri={_FROM_VARIABLE}", "seed=3"],
        [*_SEARCH, f"hydra.sweeper.storage={url}"],
        [*_SEARCH, f"hydra.sweeper.storage={_FROM_VARIABLE}"],
    ):
        commands.run(_TRAIN, *words, ends_with=2)
    commands.run(_MIRROR, f"uri={url}", ends_with=2)
    commands.run(_PLOT, f"study={url}", ends_with=2)
    commands.run("experiment/launch.py", f"arguments={{tracking.uri:'{url}'}}", ends_with=2)
    commands.run(_RUNS, "close_dead=true", f"uri={url}", ends_with=2)
    commands.run("-m", "experiment.regression", "--uri", url, ends_with=2)


def main() -> None:
    given = json.load(sys.stdin)
    folder = Path(given["folder"])
    received = folder / "received"
    received.mkdir()
    fake_comet.KEY = given["key"]
    comet = Comet(received)
    env = {key: text for key, text in comet.env.items() if key != "COMET_API_KEY"}
    commands = Commands(folder / "said", env)
    work(commands)
    if not given["small"]:
        work_more(commands)
    be_careless(commands, given["password"])
    print(json.dumps(commands.bad))


if __name__ == "__main__":
    main()
