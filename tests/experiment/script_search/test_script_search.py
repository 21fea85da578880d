"""Whole searches over scripts as others write them, from the command line to a command line."""

import re
import subprocess
from pathlib import Path

import optuna
import pytest
from omegaconf import OmegaConf

from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from tests.running import forked_command

NEEDED = {
    "bandit": (
        *("script=tests/apps/cleanrl_style.py", "report=runs/*/metrics.jsonl"),
        *("step_column=global_step", "early_stop_data_column=eval/return"),
        *("early_stop_threshold=0.8", "eval_after_n_steps=100", "arguments.baseline=0.5"),
        "arguments.learning-rate=0.001,0.1",
    ),
    "sb3": (
        *("script=tests/apps/sb3_style.py", "report=progress.csv", "folder_argument=logdir"),
        *("step_column=time/total_timesteps", "early_stop_data_column=eval/mean_reward"),
        *("early_stop_threshold=3.2", "n_epochs=10", "eval_after_n_steps=40"),
        "arguments.lr=0.00001,0.001",
        "hydra.sweeper.stop_when_verified=true",
    ),
}


def search(app: str, data_dir: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    few = ("hydra.sweeper.n_trials=2", "seed=3", "hydra.sweeper.study_name=test")
    fresh = ("hydra.sweeper.min_trials_per_param=1", "hydra.sweeper.max_trials_per_param=1")
    where = f"data_dir={data_dir}"
    words = (*NEEDED[app], *few, *fresh, where, "hydra/launcher=basic", *overrides)
    return forked_command("experiment/search.py", *words)


@pytest.mark.parametrize(
    ("app", "found", "typed"),
    [
        ("bandit", {"arguments.learning-rate": 0.1},
         "python tests/apps/cleanrl_style.py --baseline=0.5 --learning-rate=0.1"),
        ("sb3", {"arguments.lr": 0.001}, "python tests/apps/sb3_style.py --lr=0.001"),
    ],
)  # fmt: skip
def test_a_search_ends_with_a_verified_command(app, found, typed, tmp_path: Path):
    done = search(app, tmp_path / "data")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith(f"use it: {typed}")
    folder = tmp_path / "data" / "searches" / "test"
    results = OmegaConf.load(folder / "optimization_results.yaml")
    assert results.verified
    assert results.best_params == found
    assert (folder / "command.txt").read_text() == f"{typed}\n"
    assert "verified | 1." in (folder / "report.md").read_text()
    storage = open_storage(str(folder / "study.journal"))
    (fresh,) = optuna.load_study(study_name="test-fresh", storage=storage).trials
    assert fresh.params == found
    assert fresh.user_attrs["run"]["seed"] != 3
    assert re.search(
        r"--seed=\d+", (Path(fresh.user_attrs["run"]["dir"]) / "search.log").read_text()
    )


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["arguments.gama=0.9"], "exit code 2: cleanrl_style.py: error: unrecognized arguments"),
        (["early_stop_data_column=eval/returns"], "did you mean eval/return?"),
    ],
)
def test_a_search_in_which_all_fails_ends_with_one_sentence(overrides, said, tmp_path: Path):
    done = search("bandit", tmp_path / "data", *overrides)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("too many trials failed (hydra.sweeper.max_failure_rate), the last one")
    assert said in last
    assert "Traceback" not in done.stderr


def test_nothing_is_written_for_a_script_that_is_not_there(tmp_path: Path):
    done = search("bandit", tmp_path / "data", "script=tests/apps/cleanrl_stile.py")
    assert done.returncode == 2
    assert done.stderr == (
        "script=tests/apps/cleanrl_stile.py: there is no such file; "
        "did you mean tests/apps/cleanrl_style.py?\n"
    )
    assert not (tmp_path / "data").exists()
