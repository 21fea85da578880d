"""How to see that what was wanted is there, after a command or while a page is served."""

import csv
import json
import re
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import imageio.v3 as imageio


@dataclass(frozen=True)
class Outcome:
    """
    What is there after a command.

    :param clone: of the repository
    :param since: time when the command began; only what is newer counts
    :param said: what it printed
    """

    clone: Path
    since: float
    said: str

    def newest(self, pattern: str) -> Path:
        """Find the newest file that the command made below ``data/``."""
        made = {path.stat().st_mtime: path for path in (self.clone / "data").glob(pattern)}
        if not made or max(made) < self.since:
            raise FileNotFoundError(f"no new data/{pattern}")
        return made[max(made)]


Shows = Callable[[Outcome], str]
"""Finds what was wanted and says it in a few words; raises if it is not there."""


def ask_python(outcome: Outcome, program: str, *arguments: str) -> str:
    """Run a program by the Python that was installed; return what it prints."""
    python = str(outcome.clone / ".venv" / "bin" / "python")
    done = subprocess.run(
        [python, "-I", "-c", program, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def installed(outcome: Outcome) -> str:
    """Import what takes most to install."""
    program = "import mujoco, stable_baselines3, torch; print(torch.__version__)"
    return f"torch {ask_python(outcome, program)}"


def run(pattern: str) -> Shows:
    """See a run that came to its end, with its evaluations."""

    def shows(outcome: Outcome) -> str:
        result = outcome.newest(f"{pattern}/result.json")
        ended = json.loads(result.read_text(encoding="utf-8"))
        with result.with_name("evaluations.csv").open(encoding="utf-8") as file:
            n_evaluations = len(list(csv.DictReader(file)))
        assert ended["status"] in ("success", "finished"), ended["status"]
        assert n_evaluations == ended["n_epochs"]
        return f"{ended['status']}, {n_evaluations} evaluations"

    return shows


def film(outcome: Outcome) -> str:
    """See the frames of a film."""
    pictures = imageio.imread(outcome.newest("*/*/*/films/*.mp4"))
    assert pictures.std() > 0
    return f"{len(pictures)} frames"


def exported(outcome: Outcome) -> str:
    """Load it by plain SB3."""
    program = "import stable_baselines3, sys; stable_baselines3.SAC.load(sys.argv[1])"
    ask_python(outcome, program, str(outcome.newest("policy.zip")))
    return "plain SB3 loads it"


def picture(outcome: Outcome) -> str:
    """See that a picture is not empty."""
    pixels = imageio.imread(outcome.newest("plots/*/*.png"))
    assert pixels.std() > 0
    return f"{pixels.shape[1]} x {pixels.shape[0]} pixels"


def said(pattern: str) -> Shows:
    """See what was wanted in what the command printed."""

    def shows(outcome: Outcome) -> str:
        found = re.search(pattern, outcome.said)
        assert found is not None, f"it does not say {pattern}"
        return " ".join(found[0].split())

    return shows


def made(pattern: str) -> Shows:
    """See a file."""
    return lambda outcome: f"`{outcome.newest(pattern).name}`"


def answer_of(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as answer:
        content: bytes = answer.read()
    return content


def page(name: str, word: str) -> Shows:
    """Open a page that ``look.py`` names, and find a word on it."""

    def shows(outcome: Outcome) -> str:
        address = re.search(rf"{name}: +(\S+)", outcome.said)
        assert address is not None, f"no address of {name}"
        assert word in answer_of(address[1]).decode()
        return "the page answers"

    return shows


def curve_and_film(outcome: Outcome) -> str:
    """Ask MLflow's server for what its page of the run draws, and for the bytes of a film."""
    address = re.search(r"runs: +(http://[^/]+)/#/experiments/\d+/runs/(\w+)", outcome.said)
    assert address is not None, "no address of the run"
    server, run_id = address.groups()
    assert b"<html" in answer_of(server).lower()
    api = f"{server}/ajax-api/2.0/mlflow"
    asked = urlencode({"run_id": run_id, "metric_key": "eval/success_rate"})
    points = json.loads(answer_of(f"{api}/metrics/get-history?{asked}"))["metrics"]
    asked = urlencode({"run_id": run_id, "path": "films"})
    (one, *_) = json.loads(answer_of(f"{api}/artifacts/list?{asked}"))["files"]
    asked = urlencode({"run_id": run_id, "path": one["path"]})
    frames = imageio.imread(answer_of(f"{server}/get-artifact?{asked}"), extension=".mp4")
    return f"{len(points)} points, {len(frames)} frames"
