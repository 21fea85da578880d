"""What is paid in place of the environment's own reward, in training and in tests."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from envs.episode_recorder import EpisodeRecorder
from envs.episode_seeds import training_seeds
from envs.rewards import action_cost
from experiment.build.environments import make_env, make_vec_env
from experiment.build.reward import check_reward
from experiment.run.run import make_envs
from interface.algorithm import AlgorithmSpec
from interface.errors import UserError
from interface.result import Status
from tests.foreign import Point, config_of, forget, register, settings
from tests.running import TINY, forked_command, hydra_main, train


@pytest.fixture(autouse=True)
def forgotten_afterwards():
    yield
    forget()


class Change:
    """Pays for how much an action differs from the last one."""

    def __init__(self, weight: float = 1.0):
        self.weight = weight
        self.last: Any = None

    def reset(self, observation):
        assert "desired_goal" in observation
        self.last = np.zeros(2)

    def __call__(self, observation, action, reward, info):
        change, self.last = np.abs(action - self.last).sum(), np.array(action)
        return -self.weight * change


def hundred(observation, action, reward, info):
    return 100


def too_few(observation, action):
    return 0


def forgotten(observation, action, reward, info):
    pass


def node(name: str, **parameters: Any) -> Any:
    return OmegaConf.create({"_target_": f"{__name__}.{name}", **parameters})


def test_strong_actions_cost():
    assert action_cost({}, np.array([3.0, 4.0]), 2.0, {}, weight=0.1) == pytest.approx(-0.5)
    with pytest.raises(TypeError, match="for continuous actions, got 3"):
        action_cost({}, np.int64(3), 2.0, {})


def test_a_reward_that_remembers_begins_anew_with_each_episode():
    env = make_env(config_of(Point), training_seeds(0), reward=node("Change", weight=2.0))
    for _ in range(2):
        env.reset()
        paid = [env.step(np.full(2, strength))[1] for strength in (0.5, 0.5, -0.5)]
        assert paid == [-2.0, 0.0, -4.0]


def test_each_environment_has_a_reward_of_its_own():
    cfg = config_of(Point, n_envs=2)
    venv = make_vec_env(
        cfg,
        lambda index: training_seeds(0, index),
        subprocesses=False,
        reward=node("Change"),
    )
    venv.reset()
    _, paid, *_ = venv.step(np.array([[1.0, 0.0], [0.0, 0.5]], np.float32))
    np.testing.assert_allclose(paid, [-1.0, -0.5])


def test_success_stays_what_the_environment_says_and_its_own_return():
    class Quiet(Point):
        def step(self, action):
            *seen, _ = super().step(action)
            return *seen, {}

    cfg = config_of(Quiet, success_return=0.0)
    env = EpisodeRecorder(make_env(cfg, training_seeds(0), reward=node("hundred")))
    env.reset()
    for _ in range(20):
        env.step(np.full(2, -1.0))
    (episode,) = env.episodes
    assert (episode.episode_return, episode.success) == (2000.0, False)


def overrides(*algorithm: str) -> list[str]:
    register(Point)
    return ["env=Foreign-v0", *settings(*algorithm)]


def test_training_and_evaluations_are_paid_by_it(tmp_path: Path):
    arguments = overrides("sac", "reward=action_cost", "reward.weight=1e6", "log_interval=1")
    assert train(tmp_path, *arguments).status is Status.FINISHED
    for name, key in (("evaluations", "eval/return"), ("progress", "rollout/ep_rew_mean")):
        with (tmp_path / f"{name}.csv").open(encoding="utf-8") as file:
            paid = [float(row[key]) for row in csv.DictReader(file) if row[key]]
        assert paid
        assert max(paid) < -1000


@pytest.mark.parametrize("algorithm", ["her", "hac"])
def test_hindsight_refuses_it(algorithm: str, tmp_path: Path):
    with pytest.raises(UserError, match=f"{algorithm} pays other goals by .*compute_reward, not"):
        train(tmp_path, *overrides(algorithm, "reward=action_cost"))


@pytest.mark.parametrize(
    ("reward", "sentence"),
    [
        (OmegaConf.create({"weight": 1}), "reward must have a _target_, .* got {'weight': 1}"),
        (node("hundrd"), "did you mean hundred"),
        (node("hundred", weight=1), "unknown parameter reward.weight"),
        (node("Change", weigh=1), r"unknown parameter reward.weigh .*did you mean weight\?"),
        (node("Change", weight="much"), "reward.weight must be float, got 'much'"),
        (node("too_few"), r"too_few must take \(observation, action, reward, info\)"),
        (node("hundred", info=3), "hundred must take .*: too many positional arguments"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_reward_is_one_sentence(reward, sentence: str, tmp_path: Path):
    with hydra_main(overrides("sac"), tmp_path) as cfg:
        cfg.reward = reward
        with pytest.raises(UserError, match=sentence) as refused:
            check_reward(cfg, AlgorithmSpec.of(cfg.algorithm))
    assert "\n" not in str(refused.value)


def test_a_reward_that_is_no_number_is_told_before_training(tmp_path: Path):
    with hydra_main(overrides("sac"), tmp_path) as cfg:
        cfg.reward = node("forgotten")
        with pytest.raises(UserError, match=r"step raised TypeError: .*NoneType.*own_reward\.py"):
            make_envs(cfg, AlgorithmSpec.of(cfg.algorithm))


REWARDS = """
def smooth(observation, action, reward, info, *, weight=1.0):
    return reward - weight * float(abs(action).sum())
"""
SMOOTH = "_target_: own_package.rewards.smooth\n_partial_: true\nweight: 1.0\n"


def test_a_reward_of_a_package_trains_is_tested_and_trained_again(tmp_path: Path):
    folder = tmp_path / "elsewhere" / "own_package"
    (folder / "conf" / "reward").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "rewards.py").write_text(REWARDS, encoding="utf-8")
    (folder / "conf" / "reward" / "smooth.yaml").write_text(SMOOTH, encoding="utf-8")
    env, run_dir = {"PYTHONPATH": str(folder.parent)}, tmp_path / "run"
    small = ["algorithm=ppo", "algorithm.n_steps=50", "algorithm.batch_size=50", "env.n_envs=2"]
    done = forked_command(
        "experiment/train.py",
        *(*TINY, *small, "imports=[own_package]", "reward=smooth", "reward.weight=1000"),
        *("env.subprocesses=true", "render=record", "render.every_n_epochs=2"),
        f"hydra.run.dir={run_dir}",
        env=env,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((run_dir / "films").iterdir())
    done = forked_command("experiment/evaluate.py", f"run={run_dir}", "n_episodes=2", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    test = json.loads((run_dir / "test_best_model.json").read_text(encoding="utf-8"))
    assert test["eval/return"] < -100
    done = forked_command("experiment/rerun.py", str(run_dir), env=env)
    assert done.returncode == 0, done.stdout + done.stderr
