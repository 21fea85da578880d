"""One run of a script: how it is started, followed, ended and judged."""

import math
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from experiment.script_search import run
from experiment.script_search.command import command_of, configuration_of
from experiment.script_search.settings import check_command
from interface.errors import ProgramError, UserError
from interface.result import RunResult, Status
from interface.run_context import RunContext
from interface.run_monitor import NullMonitor, RunLostError, StopReason
from tests.running import hydra_main

# --x chooses a score, the others what is done after the report
SCRIPT = """
import json, os, pathlib, signal, subprocess, sys, time
arguments = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
def end(*_):
    pathlib.Path("saved").touch()
    sys.exit(1)
signal.signal(signal.SIGTERM, signal.SIG_IGN if arguments.get("stubborn") else end)
if arguments.get("stubborn"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pathlib.Path("child").write_text(str(child.pid))
with open("log.jsonl", "w", buffering=1) as file:
    for step in range(10, 10 * int(arguments.get("n", 10)) + 1, 10):
        score = float(arguments.get("x", 0)) * step
        file.write(json.dumps({"step": step, "score": score}) + chr(10))
print("done")
exec(arguments.get("then", ""))
"""
NEEDED = ["report=log.jsonl", "early_stop_data_column=score", "early_stop_threshold=90"]
SLEEP = "then='time.sleep(60)'"


def config_of(folder: Path, *overrides: str) -> list[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    given = [f"arguments.{one}" if one.startswith(("x=", "n=", "then", "stub")) else one
             for one in overrides]  # fmt: skip
    defaults = ["n_epochs=10", "eval_after_n_steps=10", "poll_seconds=0.05", "seed=7"]
    return [f"script={script}", *NEEDED, *defaults, *given]


def run_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, monitor: NullMonitor, *overrides: str
) -> RunResult:
    monkeypatch.setattr(run, "instantiate", lambda node: monitor)
    out = folder / "0"
    out.mkdir(exist_ok=True)
    with hydra_main(config_of(folder, *overrides), out, "search") as cfg:
        return run.run_script(cfg, RunContext(out, folder, (), {}))


class Monitor(NullMonitor):
    """Answers at epoch 3."""

    def __init__(self, answer: Callable[[], StopReason | None] = lambda: None) -> None:
        self.heard: list[tuple[int, float]] = []
        self._answer = answer

    def report(self, epoch: int, metrics: Mapping[str, float]) -> StopReason | None:
        self.heard.append((epoch, metrics["score"]))
        return self._answer() if epoch == 3 else None


def lost() -> StopReason:
    raise RunLostError("another sweeper's")


@pytest.mark.parametrize(
    ("overrides", "status", "n_steps", "score"),
    [
        (["x=1"], Status.SUCCESS, 100, 1.0),  # the last two: 95
        (["x=2"], Status.SUCCESS, 50, 1.5),
        (["x=0.5"], Status.FINISHED, 100, 1 + 27.5 - 90),
        (["x=0.5", "early_stop_threshold=inf"], Status.FINISHED, 100, 27.5),
        (["x=nan"], Status.DIVERGED, 0, -math.inf),
        (["x=0.5", "n=20", SLEEP], Status.FINISHED, 100, 1 + 27.5 - 90),  # at its budget
        (["x=0.5", "n=5", SLEEP, "max_minutes=0.003"], Status.FINISHED, 50, 1 + 20 - 90),
        (["x=0.5", "n=1", "eval_after_n_steps=20"], Status.FINISHED, 10, 1 + 5 - 90),
        (["x=-2", "early_stop_threshold=-50", "early_stop_direction=minimize"],
         Status.SUCCESS, 30, 1.7),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_how_runs_end(overrides, status, n_steps, score, tmp_path: Path, monkeypatch):
    result = run_of(tmp_path, monkeypatch, Monitor(), *overrides)
    assert (result.status, result.n_steps) == (status, n_steps)
    assert result.score == pytest.approx(score)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda: StopReason.PRUNED, Status.PRUNED),
        (lambda: StopReason.CAPPED, Status.CAPPED),
        (lost, Status.INTERRUPTED),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), Status.INTERRUPTED),
    ],
    ids=["pruned", "capped", "lost", "interrupted"],
)
def test_a_script_is_ended_in_order(answer, status, tmp_path: Path, monkeypatch):
    monitor = Monitor(answer)
    result = run_of(tmp_path, monkeypatch, monitor, "x=0.1", "n=5", SLEEP)
    assert result.status is status
    assert monitor.heard[:3] == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert (tmp_path / "0" / "files" / "saved").exists()


def test_a_script_that_does_not_end_is_killed_with_its_children(tmp_path: Path, monkeypatch):
    overrides = ["x=0.1", "n=3", "stubborn=1", "grace_seconds=0.1", SLEEP]
    monitor = Monitor(lambda: StopReason.PRUNED)
    assert run_of(tmp_path, monkeypatch, monitor, *overrides).status is Status.PRUNED
    child = int((tmp_path / "0" / "files" / "child").read_text())
    gone = not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert gone


def test_what_a_run_leaves(tmp_path: Path, monkeypatch):
    run_of(tmp_path, monkeypatch, Monitor(), "x=0.5", "n=2")
    folder = tmp_path / "0"
    assert (folder / "evaluations.csv").read_text() == "epoch,step,score\n1,10,5.0\n2,20,10.0\n"
    assert (folder / "output.log").read_text() == "done\n"
    assert (folder / "command.txt").read_text() == f"python {tmp_path}/script.py --x=0.5 --n=2\n"
    (folder / "files" / "old").touch()
    run_of(tmp_path, monkeypatch, Monitor(), "x=0.5", "n=2")  # as after a kill
    assert not (folder / "files" / "old").exists()


@pytest.mark.parametrize(
    ("overrides", "error", "said"),
    [
        (["then='raise ValueError(3)'"], ProgramError, r"exit code 1: ValueError: 3 \(.*error.log"),
        (["then='sys.exit(\"script: error: no --y\")'"], ProgramError, "script: error: no --y"),
        (["then='sys.stderr.write(\"no --y\");sys.exit(2)'"], UserError, "exit code 2: no --y"),
        (["then='os.kill(os.getpid(),9)'"], ProgramError, "exit code -9: it said nothing"),
        (["report=metrics.jsonl"], UserError, r"wrote no such file; it wrote log\.jsonl"),
        (["n=0"], UserError, "no line of the report has 'score'; it is empty"),
        (["early_stop_data_column=scores", SLEEP], UserError, "did you mean score"),
        (["step_column=steps", SLEEP], UserError, "unknown step_column 'steps'; did you mean step"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_scripts_that_fail(overrides, error, said, tmp_path: Path, monkeypatch):
    with pytest.raises(error, match=said):
        run_of(tmp_path, monkeypatch, Monitor(), "n=3", *overrides)


def config(folder: Path, *overrides: str) -> DictConfig:
    with hydra_main(config_of(folder, *overrides), folder, "search") as cfg:
        return cfg


@pytest.mark.parametrize(
    ("overrides", "words", "typed"),
    [
        (["arguments.a=1", "arguments.b-c=x y"], ["--a=1", "--b-c=x y", "--seed=7"],
         "--a=1 '--b-c=x y'"),
        (["arguments.net={lr:0.5}", "argument='{key}={value}'"], ["net.lr=0.5", "seed=7"],
         "net.lr=0.5"),
        (["arguments.on=true", "argument='--{key} {value}'", "seed_argument=null"],
         ["--on", "true"], "--on true"),
        (["folder_argument=logdir"], ["--seed=7", "--logdir=/there"], ""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_the_command(overrides, words, typed, tmp_path: Path):
    cfg = config(tmp_path, *overrides)
    assert command_of(cfg, Path("/there"))[2:] == words
    assert configuration_of(cfg) == f"python {tmp_path}/script.py {typed}".strip()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("script=other.txt", "script=other.txt: there is no such file$"),
        ("script={folder}/skript.py", "no such file; did you mean {folder}/script.py"),
        ("report=/tmp/log.csv", "report=/tmp/log.csv must be a path within the folder"),
        ("report=../log.csv", "must be a path within"),
        ("argument=key", "argument=key must be a pattern with {key} and {value}"),
        ("step_counts=all", "step_counts=all must be total or since_last"),
        ("n_epochs=0", "n_epochs=0 must be at least 1"),
        ("python=pythn", "python=pythn: there is no such program"),
        ("raport=log.csv", "unknown key 'raport'; did you mean report"),
        ("lr=interval(0,1)", "unknown key 'lr'; An argument of the script is written arguments.lr"),
        ("hyperopt_direction=minimize", "contradicts early_stop_direction"),
    ],
)
def test_wrong_input(word, said, tmp_path: Path):
    words = [*config_of(tmp_path), "arguments.lr=interval(0,1)", word.format(folder=tmp_path)]
    with pytest.raises(UserError) as caught:
        check_command(words)
    message = said.replace("{folder}", str(tmp_path))
    assert message.rstrip("$") in str(caught.value)
    assert not message.endswith("$") or str(caught.value) == message[:-1]
    assert OverridesParser.create().parse_overrides(words)


def test_without_a_range_there_is_nothing_to_search(tmp_path: Path):
    with pytest.raises(UserError, match="nothing to search: give an argument of the script a r"):
        check_command([*config_of(tmp_path), "arguments.lr=0.1"])
    check_command([*config_of(tmp_path), "+hydra.sweeper.params={arguments.lr:'choice(1,2)'}"])


@pytest.mark.parametrize("key", ["script", "report", "early_stop_data_column"])
def test_what_is_missing_is_said(key, tmp_path: Path):
    words = [word for word in config_of(tmp_path) if not word.startswith(f"{key}=")]
    with pytest.raises(UserError, match=f"{key}= is missing"):
        check_command(words)
