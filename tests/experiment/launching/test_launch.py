"""``experiment/launch.py``: which commands a launch consists of, and how it ends."""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hydra import compose, initialize_config_dir

from experiment.launching.arguments import paired
from experiment.launching.launched_run import what_is_left
from experiment.launching.launches import _interrupts_end, commands_of
from experiment.regression import command as matrix
from interface.errors import UserError
from tests.faults.forks import ForkedCommand
from tests.running import CONF, forked_command

TASK = """
import os, sys
print(sys.argv[1:], len(os.sched_getaffinity(0)))
sys.exit("--x=2" in sys.argv)
"""


def commands(*overrides: str) -> list[str]:
    with initialize_config_dir(str(CONF)):
        cfg = compose("launch", overrides=list(overrides))
    return [" ".join(words[2:]) for words in commands_of(cfg)]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], ["seed=1"]),
        (["n_seeds=2"], ["seed=1", "seed=2"]),
        (
            ["n_seeds=0", "sweep=[{a:[1,2]},{b:[x,y]}]"],
            ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"],
        ),
        (["n_seeds=0", "sweep=[{a:[1,2],b:[x,y]}]"], ["a=1 b=x", "a=2 b=y"]),
        (["n_seeds=0", "sets=[{a:1,b:2},{c:3}]", "arguments={a:0}"], ["a=1 b=2", "a=0 c=3"]),
        (["n_seeds=0", "arguments={a.b:[64,64],c:null,d:true}"], ["a.b=[64,64] c=null d=true"]),
        (["n_seeds=1", "argument='--{key}={value}'"], ["--seed=1"]),
        (["n_seeds=0", "argument='--{key} {value}'", "arguments={a:x y}"], ["--a x y"]),
        (["n_seeds=3", "sweep=[{seed:[7,8]}]"], ["seed=7", "seed=8"]),
    ],
)
def test_which_runs(overrides: list[str], expected: list[str]):
    assert commands(*overrides) == expected


SWEEP = {"base": "{base}", "optim.lr": [0.1, 0.01], "env": ["A", "B"], "n": [1, 2]}


def write_sweep(folder: Path, **changes: Any) -> Path:
    (folder / "base.yaml").write_text("n_epochs: 3\n")
    content = json.dumps(SWEEP | changes).replace("{base}", str(folder / "base.yaml"))
    path = folder / "sweep.json"
    path.write_text(content)
    return path


PAIRED = {"paired_keys": [["env", "n"]]}


@pytest.mark.parametrize(
    ("changes", "overrides", "expected"),
    [
        (PAIRED, [], [f"preset={{base}} optim.lr={lr} env={env} n={n} seed=1"
                      for lr in (0.1, 0.01) for env, n in (("A", 1), ("B", 2))]),
        ({"optim.lr": [0.1], "env": ["A"], "n": [[64, 64]], "seed": [5, 6]}, [],
         [f"preset={{base}} optim.lr=0.1 env=A n=[64,64] seed={seed}" for seed in (5, 6)]),
        ({"base": ["{base}", "{base}"], "optim.lr": [1], "env": ["A"], "n": [1]},
         ["base_argument=config", "argument='--{key} {value}'", "n_seeds=0"],
         ["--config {base} --optim.lr 1 --env A --n 1"] * 2),
        (PAIRED | {"optim.lr": [1]}, ["sets=[{x:1},{x:2}]", "n_seeds=0"],
         [f"x={x} preset={{base}} optim.lr=1 env={env} n={n}"
          for x in (1, 2) for env, n in (("A", 1), ("B", 2))]),
    ],
)  # fmt: skip
def test_a_sweep_file(changes: dict, overrides: list[str], expected: list[str], tmp_path: Path):
    path = write_sweep(tmp_path, **changes)
    base = str(tmp_path / "base.yaml")
    assert commands(f"sweep={path}", *overrides) == [t.format(base=base) for t in expected]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("sweep.json", "{base:", "is no JSON"),
        ("sweep.json", "[1]", "must hold an object"),
        ("sweep.json", None, "there is no such file"),
        ("sweep", "{}", r"must be a list, e.g. \[{env:\[A,B\]}\], or a file in .json"),
    ],
)
def test_what_is_no_sweep_file(name: str, text: str | None, said: str, tmp_path: Path):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=said):
        commands(f"sweep={path}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base": None}, '"base" must name the config'),
        ({"base": "nowhere.yaml"}, '"base": there is no file nowhere.yaml'),
        ({"env": "A"}, '"env" must have a list of values, got "A"'),
        ({"env": []}, '"env" must have a list of values, got []'),
        ({"paired_keys": ["env", "n"]}, '"paired_keys" must be a list of lists'),
        ({"paired_keys": [["env", "m"]]}, "unknown key in paired_keys 'm'"),
        ({"paired_keys": [["env", "n"], ["n"]]}, '"n" is in paired_keys twice'),
        ({"paired_keys": [["env", "n"]], "n": [1]}, "equally many values; got {'env': 2, 'n': 1}"),
    ],
    ids=str,
)
def test_a_sweep_file_that_is_wrong(changes: dict, said: str, tmp_path: Path):
    path = write_sweep(tmp_path, **changes)
    with pytest.raises(UserError) as caught:
        commands(f"sweep={path}")
    assert str(caught.value).startswith(f"sweep={path}: ")
    assert said in str(caught.value)


def test_rows_of_the_matrix():
    rows = commands("matrix=conf/performance/PointReach-v0_her-sac.yaml", "output_dir=/there")
    assert all("env=PointReach-v0" in row for row in rows)
    assert [f"hydra.run.dir=/there/PointReach-v0_her-sac-s{i}" in rows[i - 1] for i in (1, 2)]
    assert len(commands("matrix=conf/performance")) > len(rows)


@pytest.mark.parametrize("values", [{"a": [1, 2], "b": [1]}, {"a": 1}, {"a": []}, {}])
def test_pairs_that_do_not_match(values: dict):
    with pytest.raises(UserError, match="equally many"):
        paired(values)


def test_a_launch_says_how_its_runs_ended(tmp_path: Path):
    script = tmp_path / "task.py"
    script.write_text(TASK)
    done = forked_command(
        *("experiment/launch.py", f"script={script}", "sweep=[{x:[1,2]}]", "n_seeds=0"),
        *("argument='--{key}={value}'", f"output_dir={tmp_path}/out"),
        *("hydra.launcher.n_jobs=2", "hydra.launcher.free_memory_mb=0"),
    )
    assert done.returncode == 1, done.stderr
    assert "1 of 2 runs ended with exit code 0" in done.stdout
    assert "1: exit code 1" in done.stdout
    result = json.loads((tmp_path / "out" / "1" / "result.json").read_text())
    assert result["command"] == ["python", str(script), "--x=2"]
    assert "['--x=1'] 1" in (tmp_path / "out" / "0" / "output.log").read_text()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("matrix=nowhere", "matrix=nowhere: there is no such folder or file"),
        ("sweep=[{a:[1],b:[1,2]}]", "needs a list of equally many values"),
        ("script=nowhere.py", "script=nowhere.py: there is no such file"),
        ("sets=[]", "there is nothing to run"),
    ],
)
def test_wrong_input_is_one_sentence(override: str, message: str, tmp_path: Path):
    done = forked_command("experiment/launch.py", override, f"output_dir={tmp_path}/out")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


SLEEPS = """
import pathlib, signal, sys, time
here = pathlib.Path(__file__).parent
name = sys.argv[1].removeprefix("--x=")
def end(*_):
    (here / f"saved{name}").write_text("")
    sys.exit(130)
signal.signal(signal.SIGTERM, end)
(here / f"began{name}").open("a").write("x")
while (here / "sleep").exists() and name != "1":
    time.sleep(0.05)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="children outlive a killed parent elsewhere")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
@pytest.mark.faults(4)
def test_a_launch_ends_its_runs_and_goes_on(number: int, tmp_path: Path):
    (tmp_path / "task.py").write_text(SLEEPS)
    (tmp_path / "sleep").touch()
    arguments = (
        *(f"script={tmp_path}/task.py", "sweep=[{x:[1,2,3]}]", "n_seeds=0"),
        *("argument='--{key}={value}'", f"output_dir={tmp_path}/out"),
        *("hydra.launcher.n_jobs=1", "hydra.launcher.free_memory_mb=0"),
    )
    launch = ForkedCommand("experiment/launch.py", *arguments, folder=tmp_path)
    wait_until(lambda: (tmp_path / "began2").exists() and (tmp_path / "out/1/process").exists())
    workers = [one.pid for one in psutil.Process(launch.pid).children(recursive=True)]
    launch.kill(number)
    assert launch.wait() == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    wait_until(lambda: not any(map(alive, workers)))  # runs, workers, loky's resource tracker
    assert (tmp_path / "saved2").exists()
    assert not (tmp_path / "began3").exists()
    (tmp_path / "sleep").unlink()
    again = ForkedCommand("experiment/launch.py", *arguments, folder=tmp_path)
    assert again.wait() == 0, again.stderr
    assert "3 runs ended with exit code 0" in again.stdout
    assert [len((tmp_path / f"began{i}").read_text()) for i in (1, 2, 3)] == [1, 2, 1]


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_training_that_was_stopped_goes_on(tmp_path: Path):
    command = ["python", "experiment/train.py", "env=PointReach-v0"]
    assert what_is_left(command, tmp_path) == command
    run = tmp_path / "a run"
    log = tmp_path / "output.log"
    log.write_text(f"12:00 run directory: {run}\n")
    assert what_is_left(command, tmp_path) == command  # it was stopped before it had a config
    run.mkdir()
    (run / "config.yaml").touch()
    assert what_is_left(command, tmp_path) == [*command[:2], f"restore={run}"]
    other = ["python", "other.py", "x=1"]
    assert what_is_left(other, tmp_path) == other


def test_a_folder_of_another_launch_is_refused(tmp_path: Path):
    (tmp_path / "commands.json").write_text('[["python", "other.py"]]')
    done = forked_command("experiment/launch.py", f"output_dir={tmp_path}")
    assert done.returncode == 2
    assert "holds other runs" in done.stderr


def test_below_nohup_a_closed_terminal_ends_neither_launch_nor_matrix(tmp_path, monkeypatch):
    seen = []

    def look(*arguments):
        seen.append(signal.getsignal(signal.SIGHUP))
        return 0

    monkeypatch.setattr(matrix, "_run", look)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with _interrupts_end(tmp_path, []):
            look()
        matrix.main([])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert seen == [signal.SIG_IGN, signal.SIG_IGN]
