"""A learner of one's own without environments: a run, early stopping, a checkpoint, a search."""

import functools
import itertools
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from stable_baselines3 import PPO

from experiment.final_test.final_test import run_test
from experiment.run import epochs
from experiment.run_folder.checkpoint import read_meta
from experiment.run_folder.metric_history import read_csv
from experiment.run_folder.run_directory import BEST, RESULT
from interface.errors import UserError
from interface.learner import Evaluator
from interface.result import Status
from interface.run_files import CONFIG, EVALUATIONS, FILMS, LAST
from interface.signatures import takes
from tests.faults.forks import ForkedCommand
from tests.faults.twins import compare, facts
from tests.readmes import write_packages
from tests.running import TINY_HER, forked_command, hydra_main, train

# for tests of errors, of agents that learn from data, and of agents that are tested otherwise
OTHERS = """
class Acting(Regression):
    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        way = th.as_tensor(observation["desired_goal"] - observation["achieved_goal"])
        return (10 * way).clip(-1, 1).numpy(), state

class Progress:
    def keys(self, model):
        return ["eval/progress"]

    def evaluate(self, model, on_step):
        return {"eval/progress": model.num_timesteps / 1000}

class Half(Regression):
    get_parameters = property()

class Counting(Regression):
    unit = "epochs"
"""

WITHOUT_ENV = ["imports=[own_learner]", "algorithm=regression", "env=none", "evaluator=held_out"]
RUN = [
    *WITHOUT_ENV,
    *("tracking=none", "tensorboard=false", "seed=1", "n_epochs=4", "eval_after_n_steps=25"),
    *("early_stop_data_column=eval/error", "early_stop_direction=minimize"),
    "early_stop_threshold=0",
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lie where a user's package does, as ``experiment/README.md`` shows it; return its folder."""
    folder = tmp_path_factory.mktemp("elsewhere")
    write_packages(folder)
    with (folder / "own_learner" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write(OTHERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setattr(sys, "argv", ["experiment/train.py", "imports=[own_learner]"])
        yield folder
    sys.modules.pop("own_learner", None)  # a fork may have been the only one to import it


@pytest.mark.usefixtures("package")
def test_a_run_ends_when_the_error_is_small_enough(tmp_path: Path, caplog):
    with caplog.at_level("INFO"):
        result = train(tmp_path, *RUN, "n_epochs=40", "early_stop_threshold=0.4")
    rows = read_csv(tmp_path / EVALUATIONS).epochs
    errors = [one.values["eval/error"] for one in rows]
    assert result.status is Status.SUCCESS
    means = [sum(pair) / 2 for pair in itertools.pairwise(errors)]
    assert [mean <= 0.4 for mean in means] == [False] * (len(means) - 1) + [True]
    assert [one.step for one in rows] == [25 * one.epoch for one in rows]
    assert (result.n_steps, result.unit) == (25 * len(rows), "updates")
    assert result.score == pytest.approx(2 - len(rows) / 40)
    assert read_meta(tmp_path / BEST).step == rows[errors.index(min(errors))].step
    tuning = "untuned: there is no preset none-regression"
    assert f"regression, seed 1, up to 1000 updates, {tuning}" in caplog.messages
    shown = [text for text in caplog.messages if text.startswith("epoch 1/40")]
    assert re.fullmatch(r"epoch 1/40  update 25  error [\d.]+  \d+ updates/s", *shown)
    assert not [text for text in caplog.messages if "step" in text or "evaluate.py" in text]


def die_at(epoch: int, folder: Path) -> None:
    """Kill this process when it has begun to write an epoch's checkpoint."""
    sys.path.insert(0, str(folder))
    save = vars(epochs)["save_checkpoint"]

    def save_or_die(path: Path, model, at: int, *, resumable: bool) -> None:
        if at == epoch:
            os.kill(os.getpid(), signal.SIGKILL)
        save(path, model, at, resumable=resumable)

    vars(epochs)["save_checkpoint"] = save_or_die


def test_killed_and_restored_it_is_bit_identical(package: Path, tmp_path: Path):
    train(tmp_path / "whole", *RUN)
    run_dir = tmp_path / "parts"
    before = functools.partial(die_at, 3, package)
    arguments = [*RUN, f"hydra.run.dir={run_dir}"]
    fork = ForkedCommand("experiment/train.py", *arguments, folder=tmp_path, before=before)
    assert fork.wait() == -signal.SIGKILL, fork.stdout + fork.stderr
    assert (read_meta(run_dir / LAST).step, (run_dir / RESULT).exists()) == (50, False)
    train(run_dir, *RUN, f"restore={run_dir}")
    assert not compare(facts(tmp_path / "whole"), facts(run_dir))


@pytest.mark.usefixtures("package")
def test_stopped_between_two_evaluations_it_is_bit_identical(tmp_path: Path, monkeypatch):
    train(tmp_path / "whole", *RUN)
    pause = epochs.EpochCallback.on_pause

    def stopping(self) -> None:
        if self._learner.n_updates == 60:
            self._interrupts.received = "SIGTERM"
        pause(self)

    with monkeypatch.context() as patched:
        patched.setattr(epochs.EpochCallback, "on_pause", stopping)
        assert train(tmp_path / "parts", *RUN).status is Status.INTERRUPTED
    assert read_meta(tmp_path / "parts" / LAST).step == 60
    train(tmp_path / "parts", *RUN, f"restore={tmp_path / 'parts'}")
    assert not compare(facts(tmp_path / "whole"), facts(tmp_path / "parts"))


def test_a_search(package: Path, tmp_path: Path):
    done = forked_command(
        "experiment/train.py",
        "--multirun",
        *[text for text in RUN if not text.startswith(("seed", "early_stop_threshold"))],
        *("early_stop_threshold=0.6", "algorithm.learning_rate=interval(0.001,0.05)"),
        *("hydra.sweeper.n_trials=2", "hydra.sweeper.n_jobs=1", "hydra/launcher=basic"),
        *("hydra.sweeper.min_trials_per_param=1", "hydra.sweeper.max_trials_per_param=1"),
        f"hydra.sweep.dir={tmp_path}",
        env={"PYTHONPATH": str(package)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = [json.loads((tmp_path / str(one) / RESULT).read_text()) for one in range(2)]
    assert "success" in [one["status"] for one in results]
    tuned = OmegaConf.load(tmp_path / "tuned.yaml")
    assert 0.001 <= tuned.algorithm.learning_rate <= 0.05
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "2 - updates/budget" in report
    assert not re.search(r"\b(steps|goals)\b", report)


def test_the_plan_of_a_search_says_updates(package: Path, tmp_path: Path):
    done = forked_command(
        "experiment/train.py",
        "--plan",
        *[text for text in RUN if not text.startswith("seed")],
        *("algorithm.learning_rate=interval(0.001,0.05)", "hydra.sweeper.n_trials=2"),
        *("hydra.sweeper.n_jobs=1", "hydra/launcher=basic", f"data_dir={tmp_path}"),
        env={"PYTHONPATH": str(package)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 trials of at most 4 epochs of 25 updates" in done.stdout + done.stderr
    assert not re.search(r"\d steps", done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["evaluator=episodes"], "evaluator Episodes needs an environment, got env=none"),
        (["algorithm=sac"], "sac needs an environment, got env=none"),
        (["env=PointReach-v0"], "neither regression nor evaluator HeldOut uses an environment"),
        (["env=PointReach-v0", "evaluator=episodes"], "Regression has no predict"),
        (["+evaluator.n_sample=3"], "evaluator.n_sample 'n_sample'; did you mean n_samples"),
        (["evaluator._target_=own_learner.Held"], "cannot find own_learner.Held"),
        (["early_stop_data_column=eval/errors"], "early_stop_data_column.*did you mean eval/error"),
        (["hyperopt_criterion=eval/success_rate"], "unknown metric in hyperopt_criterion"),
        (["algorithm._target_=own_learner.Half"], "Half has no get_parameters, as a learner must"),
        (["algorithm._target_=own_learner.Counting"], "steps, updates, got 'epochs'"),
        (["normalize.observation=true"], "normalize has no effect on regression"),
        (["render.mode=record"], "render=record shows an environment, got env=none"),
        (["overlap=true"], "overlap=true has no effect on regression"),
    ],
)
@pytest.mark.usefixtures("package")
def test_what_does_not_fit_is_told_before_the_run(overrides, message, tmp_path: Path):
    groups = {text.partition("=")[0] for text in overrides}
    kept = [text for text in RUN if text.partition("=")[0] not in groups]
    with pytest.raises(UserError, match=message):
        train(tmp_path, *kept, *overrides)
    assert not (tmp_path / CONFIG).exists()


def evaluate(run_dir: Path, *overrides: str) -> None:
    given = [f"data_dir={run_dir.parent}", f"run={run_dir}", "n_episodes=2", *overrides]
    with hydra_main(given, run_dir, "evaluate") as cfg:
        run_test(cfg)


@pytest.mark.usefixtures("package")
def test_there_are_no_episodes_to_test_it_in(tmp_path: Path):
    train(tmp_path, *RUN, "n_epochs=1")
    with pytest.raises(UserError, match="env=none leaves no episodes to play"):
        evaluate(tmp_path)


@pytest.mark.usefixtures("package")
def test_one_that_acts_is_tested_and_filmed_in_an_environment_that_it_never_trains_in(
    tmp_path: Path, capsys
):
    acting = ["env=PointReach-v0", "evaluator=episodes", "algorithm._target_=own_learner.Acting"]
    goals = ["early_stop_data_column=eval/success_rate", "early_stop_direction=maximize"]
    overrides = [*RUN, *acting, *goals, "early_stop_threshold=1.1", "n_test_rollouts=2"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(whole, *overrides, "render=record", "render.n_episodes=1")
    assert read_csv(whole / EVALUATIONS).column("eval/success_rate") == [1.0] * 4
    assert list((whole / FILMS).iterdir())
    train(parts, *overrides, "n_epochs=2")
    train(parts, *overrides, f"restore={parts}")
    assert not compare(facts(whole), facts(parts))
    evaluate(whole)
    assert "success at the last step" in capsys.readouterr().out


@pytest.mark.usefixtures("package")
def test_an_algorithm_of_sb3_may_be_tested_otherwise(tmp_path: Path):
    column = ["early_stop_data_column=eval/progress", "early_stop_threshold=0.3"]
    own = ["imports=[own_learner]", "evaluator._target_=own_learner.Progress"]
    result = train(tmp_path, *TINY_HER, *own, *column, "n_epochs=4", "early_stop_last_n=1")
    assert (result.status, result.n_steps, result.unit) == (Status.SUCCESS, 300, "steps")
    assert read_meta(tmp_path / BEST).step == 300
    assert read_csv(tmp_path / EVALUATIONS).column("eval/progress") == [0.15, 0.3]


def hands_on(**arguments): ...


class Plain: ...


class Declared(Evaluator): ...


class Patient(PPO):
    def __init__(self, *arguments, patience: int = 1, **keywords): ...


@pytest.mark.parametrize(
    ("target", "name", "expected"),
    [
        (PPO, "env", True),
        (PPO.load, "device", True),
        (Patient, "patience", True),
        (Patient, "env", True),
        (Patient, "patients", False),
        (hands_on, "env", True),
        (Plain, "env", False),
        (Declared, "env", False),
    ],
)
def test_arguments_are_given_where_they_are_named_or_may_be(target, name: str, expected: bool):
    assert takes(target, name) is expected
