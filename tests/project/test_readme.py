"""Every command of every README runs, with tiny budgets; those marked long are only composed."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from itertools import takewhile
from pathlib import Path

import pytest
from mlflow import MlflowClient

from experiment.cli.subgoal import script_of
from interface.resolvers import REPOSITORY
from tests.readmes import READMES, commands_of, write_packages
from tests.running import forked_command

pytestmark = pytest.mark.readme

TINY_RUN = [
    "n_epochs=1",
    "eval_after_n_steps=60",
    "n_test_rollouts=1",
    "tensorboard=false",
]


def without_seed(line: str) -> str:
    """What tells a command from others: neither its seed nor its comment, unless that says long."""
    text, _, comment = line.partition("#")
    return re.sub(r" seed=\d+", "", text).strip() + (" # long" if "long" in comment else "")


COMMANDS = sorted({without_seed(line) for path in READMES for line in commands_of(path)})


def small_buffer(arguments: list[str]) -> list[str]:
    """Checkpoints hold the replay buffer."""
    chosen = dict(text.split("=", 1) for text in arguments if "=" in text)
    algorithm = chosen.get("algorithm", "her")
    if algorithm in ("ppo", "hac") or chosen.get("env") == "none":
        return []
    learner = chosen.get("algorithm.layer_classes", "[sac]").strip("[]")
    prefix = f"algorithm.learners.{learner}" if algorithm == "her" else "algorithm"
    return [f"{prefix}.buffer_size=2000"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A run that ``latest`` finds."""
    data_dir = tmp_path_factory.mktemp("data")
    arguments = [*TINY_RUN, "tracking=none", "env=PointReach-v0", "policy=small"]
    done = forked_command(
        "experiment/train.py", *arguments, *small_buffer([]), f"data_dir={data_dir}"
    )
    assert done.returncode == 0, done.stderr
    return [str(data_dir)]


def test_the_readmes_have_commands():
    assert len(COMMANDS) > 10


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder with the packages that the READMEs show."""
    folder = tmp_path_factory.mktemp("elsewhere")
    write_packages(folder)
    return str(folder)


@pytest.mark.parametrize("line", COMMANDS, ids=str)
def test_command(line: str, trained: list[str], packages: str, tmp_path: Path):
    text, _, comment = line.partition("#")
    text = text.strip().removeprefix("source ./set_paths.sh && ")
    words = shlex.split(text)
    if words[0] == "subgoal":
        words = ["python", f"experiment/{script_of(words[1]).name}", *words[2:]]
    if words[0] in ("pip", "docker", "apptainer"):
        assert_files_and_pins_exist(words)
    elif words[0] == "./run_testing.sh":
        assert subprocess.run(["bash", "-n", words[0]], cwd=REPOSITORY, check=False).returncode == 0
    elif words[:2] == ["python", "experiment/look.py"]:
        assert_pages_answer(words[2:], trained[0], tmp_path)
    elif words[0] == "python":
        arguments = python_arguments(words[1:], trained[0], tmp_path, long="long" in comment)
        done = forked_command(*arguments, env={"MUJOCO_GL": "egl", "PYTHONPATH": packages})
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        pytest.fail(f"no test knows how to run {text}")


def assert_files_and_pins_exist(words: list[str]) -> None:
    """What needs a network is not run; see test_packaging.py and test_subgoal.py."""
    pins = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for word in words:
        assert "==" not in word or word in pins
        if word.startswith(("conf/", "experiment/")) or word == ".":
            assert (REPOSITORY / word).exists()


def python_arguments(words: list[str], data_dir: str, tmp_path: Path, *, long: bool) -> list[str]:
    script = words[0]
    if "--help" in words or script == "-m":
        return words
    if script.startswith("tests/benchmarks/"):
        return [*words, "--help"]
    if script == "experiment/rerun.py":
        return [*words, "--data-dir", data_dir]
    if script == "experiment/evaluate.py":
        few = [re.sub(r"n_episodes=\d+", "n_episodes=2", word) for word in words]
        kept = [re.sub(r"export=.*", f"export={tmp_path}/policy.zip", word) for word in few]
        return [*kept, f"data_dir={data_dir}", "render.n_episodes=1"]
    here = [f"data_dir={data_dir}", f"output_dir={tmp_path}"]
    quick = ["hydra/launcher=basic", "hydra.sweeper.stop_when_verified=true"]
    more = {
        "experiment/plot.py": here,
        "experiment/launch.py": [*here, "--cfg", "job", "--resolve"],
        "experiment/search.py": [f"data_dir={tmp_path}", *quick],
        "experiment/runs.py": [f"data_dir={data_dir}", *(["--cfg", "job"] if long else [])],
    }
    if script in more:
        return [*words, *more[script]]
    if script == "experiment/comet_mirror.py":
        client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
        client.set_terminated(client.create_run("0").info.run_id)
        return [*words, f"uri=sqlite:///{tmp_path}/mlflow.db", f"archive_dir={tmp_path}/comet"]
    if "restore=latest" in words:
        return ["experiment/train.py", "restore=latest", "n_epochs=2", f"data_dir={data_dir}"]
    isolated = [f"data_dir={tmp_path}", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"]
    if "tracking=mlflow_comet" in words:
        isolated.append(f"tracking.comet_archive_dir={tmp_path}/comet")
    if long:
        composed = [word for word in words if word not in ("--multirun", "--plan")]
        return [*composed, *isolated, "--cfg", "job", "--resolve"]
    return [*words, *isolated, *small_buffer(words), *TINY_RUN]


def assert_pages_answer(options: list[str], data_dir: str, tmp_path: Path) -> None:
    """Look at a run, and end the look as Ctrl-C does."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    client.create_run(client.create_experiment("PointReach-v0"))
    study = Path(data_dir) / "PointReach-v0" / "her" / "study"
    study.mkdir(exist_ok=True)
    (study / "report.html").write_text("the page of a search")
    given = [word for word in options if "port=" not in word and not word.startswith("run=")]
    given += [f"{name}={free_port()}" for name in ("port", "search_port")]
    look = subprocess.Popen(
        [
            sys.executable,
            "experiment/look.py",
            *given,
            f"uri={uri}",
            f"data_dir={data_dir}",
        ],
        cwd=REPOSITORY,
        env=os.environ | {"DISPLAY": ""},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert look.stdout is not None
        said = list(takewhile(lambda line: line != "Ctrl-C ends it\n", look.stdout))
        pages = [line.split()[1] for line in said if "http://" in line]
        for page in pages:
            with urllib.request.urlopen(page, timeout=10) as answer:
                assert answer.status == 200
        assert len(pages) == 2
    finally:
        look.send_signal(signal.SIGINT)
        assert look.wait(timeout=30) == 0


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
