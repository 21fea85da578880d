"""Without MuJoCo everything else trains, and what needs it says what to install."""

import json
import sys
from pathlib import Path

import pytest

from interface.environment_ids import missing_simulators
from interface.resolvers import REPOSITORY
from tests.running import command

PROGRAM = """
import json, sys
for name in ("mujoco", "gymnasium_robotics"):
    sys.modules[name] = None  # to import it is an error, as where it is not installed
from pathlib import Path
from experiment.cli.composition_errors import explain
from hydra.errors import HydraException
from tests.running import TINY, train

said = {{}}
for index, env in enumerate({envs}):
    arguments = [*TINY, f"env={{env}}", "algorithm=ppo", "n_epochs=1", "algorithm.n_steps=50"]
    arguments.append("algorithm.batch_size=50")
    arguments.append("early_stop_data_column=eval/return")
    try:
        said[env] = train(Path(str(index)), *arguments).n_steps
    except HydraException as error:
        said[env] = explain(error, "main", [])
    except ValueError as error:
        said[env] = str(error)
print(json.dumps(said))
"""
ENVS = ["PointReachDiscrete-v0", "CartPole-v1", "FetchReach-v4", "AntReacher-v0", "HalfCheetah-v5"]
PINS = [line for line in (REPOSITORY / "requirements.txt").read_text().splitlines() if "==" in line]


def sentence(*packages: str) -> str:
    pins = [line for line in PINS if line.partition("==")[0] in packages]
    assert len(pins) == len(packages)
    return f"what needs MuJoCo is not installed: pip install {' '.join(pins)}"


def test_only_what_needs_mujoco_does_not_train(tmp_path: Path):
    unknown = "AdroitHandDor-v1"
    program = PROGRAM.format(envs=[*ENVS, unknown])
    done = command("-c", program, cwd=tmp_path, env={"PYTHONPATH": str(REPOSITORY)})
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    both = sentence("gymnasium-robotics", "mujoco")
    assert said == {
        "PointReachDiscrete-v0": 150,
        "CartPole-v1": 150,
        **{env: f"cannot make env {env}: {both}" for env in ENVS[2:]},
        unknown: said[unknown],
    }
    assert both in said[unknown].splitlines()[0]


def test_what_to_install_is_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    assert missing_simulators() == ""
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", None)
    assert missing_simulators() == sentence("gymnasium-robotics")
