"""A run is trained again to the same end, whatever its story was."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from experiment.regression.rerun import (
    arguments_to_repeat,
    different_weights,
    first_difference,
    main,
)
from experiment.run.epochs import EpochEnd
from experiment.run_folder.run_directory import commands_of, load_config
from interface.errors import UserError
from interface.result import Status
from tests.experiment.run_folder.test_checkpoints import only_once
from tests.faults.reruns import STORIES, difference, tell
from tests.running import TINY, TINY_HER, train


@pytest.fixture(scope="module")
def continued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("data") / "run"
    train(run_dir, *TINY_HER)
    train(run_dir, *TINY_HER, "n_epochs=3", "early_stop_last_n=2", f"restore={run_dir}")
    return run_dir


def test_the_config_says_how_to_train_all_of_a_run(continued: Path, tmp_path: Path):
    cfg = load_config(continued)
    assert (cfg.n_epochs, cfg.early_stop_last_n, cfg.restore) == (3, 2, None)
    first, second = commands_of(continued)
    assert f"n_epochs=3 early_stop_last_n=2 restore={continued}" in second
    assert "restore" not in first
    train(tmp_path, *TINY_HER, "n_epochs=3", "early_stop_last_n=2")
    assert first_difference(continued, tmp_path) is None


def with_result(run_dir: Path, **values: object) -> Path:
    path = run_dir / "result.json"
    content = json.loads(path.read_text(encoding="utf-8")) | values
    path.write_text(json.dumps(content), encoding="utf-8")
    return run_dir


@pytest.mark.parametrize(
    ("status", "n_epochs"), [("capped", "n_epochs=2"), ("pruned", "n_epochs=2"), ("success", None)]
)
def test_a_run_that_a_search_ended_ends_there_again(status, n_epochs, tmp_path: Path):
    train(tmp_path, *TINY, "algorithm=ppo", "algorithm.n_steps=50", "algorithm.batch_size=50")
    with_result(tmp_path, status=status, n_steps=300)
    arguments = arguments_to_repeat(tmp_path, tmp_path / "again")
    assert [text for text in arguments if text.startswith("n_epochs")] == [n_epochs] * bool(
        n_epochs
    )


PPO = ["algorithm=ppo", "env.n_envs=3", "algorithm.n_steps=16", "algorithm.batch_size=16"]


def test_runs_that_cannot_be_compared(continued: Path, tmp_path: Path):
    with pytest.raises(UserError, match="only a run that has ended"):
        arguments_to_repeat(tmp_path, tmp_path)
    sb3s = ["algorithm=ppo", "algorithm._target_=stable_baselines3.PPO"]
    sb3s += ["~algorithm.pessimistic_vf_clip", "~algorithm.learning_rate_schedule"]
    train(tmp_path, *TINY, *sb3s, "algorithm.n_steps=50", "algorithm.batch_size=50")
    train(tmp_path, *TINY, *sb3s, "n_epochs=3", f"restore={tmp_path}")
    for _ in range(2):
        with pytest.raises(UserError, match="continued, and PPO starts new episodes where it goes"):
            arguments_to_repeat(tmp_path, tmp_path / "again")
        (tmp_path / "last.zip").unlink(missing_ok=True)  # as a search does
    with_result(tmp_path, status="interrupted")
    with pytest.raises(UserError, match="was interrupted: let it end first"):
        arguments_to_repeat(tmp_path, tmp_path / "again")


@pytest.mark.parametrize(
    "changes",
    [
        ["env=PointReachDiscrete-v0", "algorithm=dqn"],
        ["env=PointReachDiscrete-v0", "algorithm.layer_classes=[dqn]", "overlap=true"],
        ["algorithm=tqc", "overlap=true"],
        ["algorithm=sac", "normalize.reward=true"],
        ["algorithm.learners.sac.use_sde=true"],
        [*PPO, "network/cell=lstm", "network.cell.tbptt=8", "normalize.observation=true"],
        [*PPO, "normalize={observation:true,reward:true,frozen_in_rollouts:true}"],
        [*PPO, "update=eager", "algorithm.use_sde=true", "algorithm.sde_sample_freq=5"],
        [*PPO, "env=PointReachDiscrete-v0", "normalize.reward=true", "env.subprocesses=true"],
    ],
    ids=[
        *("random actions", "her over dqn", "tqc overlapped", "rewards normalised", "sde"),
        *("ppo that remembers", "ppo, frozen", "ppo, eager, gsde", "ppo, discrete, in processes"),
    ],
)
def test_nothing_that_a_run_draws_from_is_lost_when_it_stops(changes, tmp_path, monkeypatch):
    short = ["eval_after_n_steps=120", "overlap=false", "n_threads=1"]
    overrides = only_once([*TINY, *short, *changes])
    train(tmp_path / "whole", *overrides)
    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "__call__", stopping_after(EpochEnd.__call__, 150))
        assert train(tmp_path / "parts", *overrides).status is Status.INTERRUPTED
    train(tmp_path / "parts", *overrides, f"restore={tmp_path}/parts")
    assert first_difference(tmp_path / "whole", tmp_path / "parts") is None
    assert different_weights(tmp_path / "whole", tmp_path / "parts") is None


def stopping_after(end_epoch: Any, step: int) -> Any:
    def end_and_stop(self: EpochEnd, model: Any, *arguments: Any, **keywords: Any) -> Any:
        status = end_epoch(self, model, *arguments, **keywords)
        return Status.INTERRUPTED if model.num_timesteps <= step else status

    return end_and_stop


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
@pytest.mark.slow
@pytest.mark.faults(1)
def test_a_rerun_is_bit_identical(story, tmp_path: Path):
    assert difference(tell(story, 1, tmp_path), tmp_path) is None


def test_a_rerun_of_somebody_elses_run_says_so(tmp_path: Path, capsys, monkeypatch):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "config.yaml").touch()
    (tmp_path / "data").mkdir()
    warnings = []
    for data_dir, more in (
        (tmp_path, []),
        (tmp_path / "data", []),
        (tmp_path / "data", ["--trust"]),
    ):
        arguments = ["rerun.py", str(run_dir), "--data-dir", str(data_dir), *more]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit):
            main()  # the run has no result
        warnings.append(capsys.readouterr().out.count("run code of whoever wrote them"))
    assert warnings == [0, 1, 0]
