"""``experiment/launch.py``: which commands a launch consists of, and how it ends."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from experiment.launches import commands_of, paired
from interface.errors import UserError
from tests.running import CONF, command

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
    ],
)
def test_which_runs(overrides: list[str], expected: list[str]):
    assert commands(*overrides) == expected


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
    done = command(
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
    done = command("experiment/launch.py", override, f"output_dir={tmp_path}/out")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
