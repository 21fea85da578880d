"""The performance matrix fails the rows whose code is broken, and says why, on the toy env."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiment.regression.command import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROW: dict[str, Any] = {
    "env": "PointReach-v0",
    "algorithm": "her",
    "n_steps": 2500,  # with hindsight 2000 are enough, without it 3500 are needed
    "eval_after_n_steps": 500,
    "metric": "eval/success_rate",
    "threshold": 0.9,
    "required": 1,
    "seeds": [1],
    "minutes": 0.5,
    "steps_per_second": 20,
    "measured": [3, 3],
    "source": "a test",
}
SMALL = ["policy=small", "algorithm.learners.sac.learning_rate=0.001", "update=eager"]
FAULTS = {
    "healthy": ([], None),
    "actor-loss": (["imports=[tests.apps.broken.actor_loss]"], "must be 0.9"),
    "relabelling": (["algorithm.n_sampled_goal=0"], "must be 0.9"),
    "early-stopping": (["imports=[tests.apps.broken.early_stopping]"], "early_stopping.py"),
    "crash": (["imports=[tests.apps.broken.crash]"], "the learner crashed (crash.py:"),
    "metric": (["imports=[tests.apps.broken.metric]"], "did you mean eval/success"),
}


@pytest.mark.faults(5)
def test_each_fault_fails_its_row(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows"
    rows.mkdir()
    for name, (overrides, _) in FAULTS.items():
        content = ROW | {"overrides": [*SMALL, *overrides]}
        (rows / f"{name}.yaml").write_text(yaml.safe_dump(content))
    exit_code = main(["--rows", str(rows), "--output", str(tmp_path), "--uri", ""])
    printed = capfd.readouterr().out
    assert exit_code == 1
    (report,) = tmp_path.rglob("report.md")
    lines = {line.split("|")[1].strip(): line for line in report.read_text().splitlines()[3:]}
    for name, (_, said) in FAULTS.items():
        assert ("| passed |" in lines[name]) == (said is None), lines[name]
        assert said is None or said in lines[name], lines[name]
    assert "1 of 6 rows" in printed
    outcomes = [json.loads(path.read_text()) for path in tmp_path.rglob("*.outcome.json")]
    assert len(outcomes) == len(FAULTS)
