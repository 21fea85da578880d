"""Learning rates that change while an agent trains."""

import copy
import csv
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.utils import LinearSchedule

import baselines_ext
from baselines_ext.learners.schedules import SCHEDULES
from interface.errors import UserError
from tests.running import TINY, train


@pytest.mark.parametrize(
    ("name", "start", "middle", "end"),
    [
        ("linear", 1, 0.5, 0),
        ("warmup", 0, 1, 1),
        ("exponential", 1, 0.1, 0.01),
        ("cosine", 1, 0.5, 0),
    ],
)
def test_factors(name: str, start: float, middle: float, end: float):
    schedule = SCHEDULES[name]
    assert schedule is not None
    assert [schedule(done) for done in (0, 0.5, 1)] == pytest.approx([start, middle, end])


def test_factors_of_other_shapes():
    assert baselines_ext.Linear(end=0.5)(1) == 0.5
    assert baselines_ext.Warmup(share=0.5)(0.25) == 0.5
    assert baselines_ext.Cosine(end=0.1)(1) == pytest.approx(0.1)
    assert baselines_ext.Cosine()(0.25) > 0.75 > baselines_ext.Cosine()(0.75)


def rates(run_dir: Path) -> list[float]:
    """Learning rates of each evaluation."""
    with (run_dir / "evaluations.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    keys = [key for key in rows[0] if key.endswith("learning_rate")]
    return [float(row[key]) for key in keys for row in rows]


REACH = [text for text in TINY if not text.startswith("n_epochs=")]
RUNS = {
    "sac": [],
    "td3": [],
    "tqc": [],
    "dqn": ["env=PointReachDiscrete-v0"],
    "ppo": ["env=Pendulum-v1", "algorithm.n_steps=150", "algorithm.batch_size=50"],
    "her": [],
    "hac": [],
}


@pytest.mark.parametrize("algorithm", RUNS)
def test_every_learner_follows_a_schedule(tmp_path: Path, algorithm: str):
    key = "algorithm.learners.sac" if algorithm in ("her", "hac") else "algorithm"
    overrides = [*REACH, f"algorithm={algorithm}", *RUNS[algorithm], f"{key}.learning_rate=0.001"]
    train(tmp_path, *overrides, f"{key}.learning_rate_schedule=linear", "n_epochs=2")
    found = rates(tmp_path)
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert 0.0004 < first < 0.0011
        assert second < first - 0.0003


def test_a_run_goes_on_with_its_schedule(tmp_path: Path):
    schedule = "algorithm.learning_rate_schedule={_target_: baselines_ext.Cosine, end: 0.1}"
    run = [*REACH, "algorithm=sac", schedule, "overlap=false"]
    train(tmp_path / "whole", *run, "n_epochs=3")
    train(tmp_path / "parts", *run, "n_epochs=2")
    train(tmp_path / "parts", *run, "n_epochs=3", f"restore={tmp_path / 'parts'}")
    assert rates(tmp_path / "whole")[2] == rates(tmp_path / "parts")[2]


def test_a_saved_agent_keeps_its_schedule(tmp_path: Path):
    model = baselines_ext.SAC(
        "MlpPolicy", "Pendulum-v1", learning_rate=0.01, learning_rate_schedule="cosine"
    )
    assert model.lr_schedule(0.5) == pytest.approx(0.005)
    again = copy.deepcopy(model)
    assert again.lr_schedule(0.5) == model.lr_schedule(0.5)
    model.save(tmp_path / "model.zip")
    assert baselines_ext.SAC.load(tmp_path / "model.zip").lr_schedule(0.5) == model.lr_schedule(0.5)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            {"learning_rate_schedule": "liner"},
            "'liner'; did you mean linear",
        ),
        (
            {"learning_rate_schedule": "linear", "learning_rate": LinearSchedule(1e-3, 0, 1)},
            "multiplies a number, but learning_rate is itself a schedule",
        ),
    ],
)
def test_wrong_schedules(overrides: dict[str, Any], sentence: str):
    with pytest.raises(ValueError, match=sentence):
        baselines_ext.PPO("MlpPolicy", "Pendulum-v1", **overrides)


def test_wrong_shapes_of_schedules():
    with pytest.raises(ValueError, match="share must be more than 0 and at most 1, got 0"):
        baselines_ext.Warmup(share=0)
    with pytest.raises(ValueError, match="end must be more than 0, got 0"):
        baselines_ext.Exponential(end=0)


def test_a_wrong_name_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(UserError, match="did you mean cosine"):
        train(tmp_path / "run", *TINY, "algorithm=sac", "algorithm.learning_rate_schedule=cosin")
    assert not (tmp_path / "run").exists()
