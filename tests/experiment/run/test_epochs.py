"""When a run is evaluated, what its epochs are called, and what stands at its end."""

import logging
import math
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from experiment.run import epochs
from experiment.run_folder.metric_history import EpochMetrics, MetricHistory, read_csv
from hydra_plugins.early_stop_tpe_sweeper._assembly import check_objectives, monitor_settings
from hydra_plugins.early_stop_tpe_sweeper.config import Settings
from interface.config import Direction
from interface.errors import UserError
from interface.objective import Criterion
from interface.result import Status
from interface.run_files import CONFIG, EVALUATIONS, LAST
from tests.running import TINY, TINY_HER, forked_command, train

PPO = [*TINY, "env=CartPole-v1", "algorithm=ppo", "algorithm.batch_size=25", "algorithm.n_epochs=1"]
TARGET = ["early_stop_threshold=0", "early_stop_last_n=2"]  # reached with the second evaluation


def evaluations(folder: Path) -> list[tuple[int, int]]:
    return [(one.epoch, one.step) for one in read_csv(folder / EVALUATIONS).epochs]


@pytest.mark.parametrize(
    ("overrides", "found", "score", "said"),
    [
        ([*PPO, "algorithm.n_steps=125"], [(1, 500), (2, 1000)], 1.75, 0),
        ([*PPO, "algorithm.n_steps=1000"], [(2, 1000), (4, 2000)], 1.5, 1000),
        ([*PPO, "algorithm.n_steps=500", "env.n_envs=3"], [(3, 1500), (6, 3000)], 1.25, 1500),
        ([*PPO, "algorithm.n_steps=3000"], [(6, 3000), (8, 6000)], 1.0, 3000),
        (
            [*TINY_HER, "algorithm.learners.sac.train_freq=[60,episode]"],
            [(2, 1200), (4, 2400)],
            1.4,
            1200,
        ),
    ],
    ids=["in time", "every second", "three environments", "beyond the budget", "episodes"],
)
def test_epochs_and_scores_go_by_steps(overrides, found, score, said, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        result = train(tmp_path, *overrides, *TARGET, "n_epochs=8", "eval_after_n_steps=500")
    assert evaluations(tmp_path) == found
    assert (result.status, result.n_epochs, result.n_steps) == (Status.SUCCESS, *found[-1])
    assert result.score == pytest.approx(score)
    words = [text for text in caplog.messages if "evaluations wait for the end" in text]
    assert len(words) == bool(said)
    assert all(f"takes {said} steps" in text and "every 500 " in text for text in words)


def test_the_end_of_training_is_the_last_epoch(tmp_path: Path, monkeypatch):
    filmed: list[str] = []
    monkeypatch.setattr(epochs, "render_episodes", lambda *given: filmed.append(given[4]))
    result = train(
        tmp_path,
        *PPO,
        *("n_epochs=8", "eval_after_n_steps=500", "algorithm.n_steps=2000"),
        *("early_stop_threshold=1.1", "checkpoint_every_n_epochs=100"),
        *("render=record", "render.every_n_epochs=100"),
    )
    assert (result.status, result.n_epochs) == (Status.FINISHED, 8)
    assert evaluations(tmp_path) == [(4, 2000), (8, 4000)]
    assert (tmp_path / LAST).exists()
    assert filmed == ["epoch_8"]


def test_checkpoints_and_films_come_when_their_epoch_has_passed(tmp_path: Path, monkeypatch):
    filmed: list[str] = []
    saved: list[int] = []
    monkeypatch.setattr(epochs, "render_episodes", lambda *given: filmed.append(given[4]))
    monkeypatch.setattr(epochs, "best_epoch", lambda *given: None)  # a best one is saved anyway
    monkeypatch.setattr(
        epochs,
        "save_checkpoint",
        lambda path, model, epoch, *, resumable: saved.append(epoch) if resumable else None,
    )
    train(
        tmp_path,
        *PPO,
        *("n_epochs=12", "eval_after_n_steps=100", "algorithm.n_steps=200"),
        *("early_stop_threshold=1.1", "checkpoint_every_n_epochs=5"),
        *("render=record", "render.every_n_epochs=3"),
    )
    assert saved == [6, 10, 12]
    assert filmed == ["epoch_4", "epoch_6", "epoch_10", "epoch_12"]


@pytest.mark.parametrize("key", ["early_stop_data_column", "hyperopt_criterion"])
def test_a_metric_that_never_appeared_is_told_and_the_agent_is_kept(key: str, tmp_path: Path):
    overrides = ["n_epochs=3", "eval_after_n_steps=100", "algorithm.n_steps=200"]
    with pytest.raises(UserError, match=f"{key}: it never appeared: 'train/los'.*train/loss"):
        train(tmp_path, *PPO, *overrides, f"{key}=train/los", "checkpoint_every_n_epochs=5")
    assert (tmp_path / LAST).exists()


@pytest.mark.parametrize(
    ("direction", "rows", "best"),
    [
        ("minimize", [{"eval/x": 3.0}, {"eval/x": 1.0}, {"eval/x": 1.0}, {"eval/x": 2.0}], 1),
        ("maximize", [{"eval/x": 3.0}, {"eval/x": 1.0}], 0),
        ("minimize", [{"eval/x": math.nan}, {}, {"eval/x": 9.0}], 2),
        ("minimize", [{"eval/x": 1.0, "eval/return": 1.0}, {"eval/x": 2.0, "eval/return": 2.0}], 1),
        ("minimize", [], None),
    ],
    ids=["first of the least", "greatest", "unknown ones", "episodes go by return", "none"],
)
def test_the_best_epoch_goes_by_the_criterion_where_no_episodes_are_played(direction, rows, best):
    history = MetricHistory(EpochMetrics(n, n, row) for n, row in enumerate(rows, start=1))
    assert epochs.best_epoch(history, Criterion("eval/x", Direction[direction], None)) == best


HAC = [*TINY, "algorithm=hac", "algorithm.time_scales=[-1,5]", "n_epochs=1"]


@pytest.mark.parametrize("key", ["early_stop_data_column", "hyperopt_criterion"])
def test_what_an_agent_says_of_its_evaluations_may_be_optimised(key: str, tmp_path: Path):
    column = "eval/layer_0/subgoal_success"
    with pytest.raises(UserError, match=f"metric in {key}.*did you mean {column}"):
        train(tmp_path / "typo", *HAC, f"{key}={column[:-1]}")
    assert not (tmp_path / "typo" / CONFIG).exists()
    result = train(tmp_path, *HAC, f"{key}={column}")
    value = read_csv(tmp_path / EVALUATIONS).epochs[-1].values[column]
    is_target = key == "early_stop_data_column"
    assert result.score == pytest.approx(1 + value - 0.9 if is_target else value)


def test_agents_without_such_metrics_refuse_them_at_the_start(tmp_path: Path):
    with pytest.raises(UserError, match="unknown metric in hyperopt_criterion 'eval/layer_0"):
        train(tmp_path, *TINY_HER, "hyperopt_criterion=eval/layer_0/subgoal_success")
    assert not (tmp_path / CONFIG).exists()


CRITERIA = "hyperopt_criterion=[eval/success_rate,eval/goal_distance]"


def test_a_search_by_several_criteria(tmp_path: Path):
    done = forked_command(
        "experiment/train.py",
        "--multirun",
        *(*TINY_HER, "n_epochs=1", CRITERIA, "hyperopt_direction=[maximize,minimize]"),
        "algorithm.learners.sac.gamma=interval(0.8,0.99)",
        *("hydra.sweeper.n_trials=2", "hydra/launcher=basic", f"hydra.sweep.dir={tmp_path}/sweep"),
        "hydra.sweeper.direction=[maximize,maximize]",
    )
    assert done.returncode == 0, done.stderr
    results = OmegaConf.load(tmp_path / "sweep" / "optimization_results.yaml")
    assert all(len(one["values"]) == 2 and one["values"][1] < 0 for one in results.solutions)


@pytest.mark.parametrize(
    ("criterion", "directions", "message"),
    [
        ("a", ["minimize"], "direction=minimize must be maximize for hyperopt_criterion=a:"),
        (["a", "b"], ["maximize"], r"direction=maximize must be \[maximize,maximize\] for"),
        ("a", ["maximize", "maximize"], r"direction=\[maximize,maximize\] must be maximize for"),
    ],
)
def test_what_runs_return_and_what_the_study_holds_must_agree(criterion, directions, message):
    base = OmegaConf.create({"hyperopt_criterion": criterion, "hyperopt_direction": None})
    with pytest.raises(UserError, match=message):
        check_objectives(base, directions)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_caps_and_pruning_go_by_the_direction_of_the_score(direction: str):
    base = OmegaConf.create({"hyperopt_criterion": "x", "hyperopt_direction": direction})
    found = monitor_settings(base, Settings(direction="maximize", no_sign_of_life=0.05))
    assert (found.criterion, found.maximize) == ("x", direction == "maximize")
    assert found.no_sign_of_life is None
