"""A run is trained again to the same end, whatever its story was."""

import json
from pathlib import Path

import pytest

from experiment.rerun import arguments_to_repeat, first_difference
from experiment.run_directory import commands_of, load_config
from interface.errors import UserError
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


def test_runs_that_cannot_be_compared(continued: Path, tmp_path: Path):
    with pytest.raises(UserError, match="only a run that has ended"):
        arguments_to_repeat(tmp_path, tmp_path)
    train(tmp_path, *TINY, "algorithm=ppo", "algorithm.n_steps=50", "algorithm.batch_size=50")
    train(tmp_path, *TINY, "algorithm=ppo", "n_epochs=3", f"restore={tmp_path}")
    with pytest.raises(UserError, match="continued, and PPO starts new episodes where it goes on"):
        arguments_to_repeat(tmp_path, tmp_path / "again")
    with_result(tmp_path, status="interrupted")
    with pytest.raises(UserError, match="was interrupted: let it end first"):
        arguments_to_repeat(tmp_path, tmp_path / "again")


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
@pytest.mark.slow
@pytest.mark.faults(1)
def test_a_rerun_is_bit_identical(story, tmp_path: Path):
    assert difference(tell(story, 1, tmp_path), tmp_path) is None
