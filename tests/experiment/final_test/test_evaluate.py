"""The test of a trained agent: which run, each goal, two agents compared, a policy to take away."""

import csv
import json
import re
import shutil
from pathlib import Path

import imageio
import numpy as np
import pytest

from envs.episode_recorder import Episode
from experiment.cli.context import context_of_hydra
from experiment.final_test.baselines import play_baselines
from experiment.final_test.episode_report import comparison_lines, goal_table, report_lines
from experiment.final_test.final_test import play, run_test
from experiment.final_test.tested_agents import find_agent
from experiment.run_folder.run_directory import best_run, load_config
from interface.errors import UserError
from tests.running import TINY, TINY_HER, hydra_main, train, without_repository

NAMES = ("good", "bad")
LOAD = """
import sys, numpy as np, stable_baselines3
model = getattr(stable_baselines3, sys.argv[1]).load(sys.argv[2], device="cpu")
seen = {key: np.full((1, 2), 0.3, np.float32) for key in model.observation_space}
print(type(model).__module__, *model.predict(seen, deterministic=True)[0][0])
assert not any(name.startswith(("baselines_ext", "experiment")) for name in sys.modules)
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs; the scores are made up, so that it is known which is best."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, score) in enumerate(zip(NAMES, (0.9, 0.1), strict=True)):
        run_dir = folder / "PointReach-v0" / "her" / name
        train(run_dir, *TINY_HER, f"seed={seed}", "n_epochs=1")
        result = json.loads((run_dir / "result.json").read_text())
        (run_dir / "result.json").write_text(json.dumps(result | {"score": score}))
    return folder


def test(data_dir: Path, *overrides: str) -> None:
    given = [f"data_dir={data_dir}", "n_episodes=4", *overrides]
    with hydra_main(given, data_dir, "evaluate") as cfg:
        run_test(cfg, context_of_hydra().choices.get("algorithm"))


test.__test__ = False  # type: ignore[attr-defined]


def test_the_best_run(data_dir: Path, capsys):
    test(data_dir, "run=best", "env=PointReach-v0", "algorithm=her")
    assert f"{data_dir}/PointReach-v0/her/good\n" in capsys.readouterr().out
    assert best_run("PointReach-v0", None, data_dir).name == "good"


def test_agents_without_skill_play_the_first_of_the_same_episodes(data_dir: Path, capsys):
    run_dir = data_dir / "PointReach-v0/her/good"
    test(data_dir, f"run={run_dir}", "n_baseline_episodes=3")
    shown = capsys.readouterr().out
    assert "without skill, on the first 3 of these episodes:" in shown
    assert "success at the last step, doing nothing    0.000" in shown  # no start is a goal
    assert "success at the last step, at random" in shown
    played = play_baselines(load_config(run_dir), 3)
    with (run_dir / "test_best_model.csv").open() as file:
        goals = [(row["goal_0"], row["goal_1"]) for row in csv.DictReader(file)][:3]
    for episodes in played.values():
        assert [tuple(map(str, one.goal)) for one in episodes] == goals
    again = play_baselines(load_config(run_dir), 3)
    assert again == played
    test(data_dir, f"run={run_dir}", "n_baseline_episodes=0")
    assert "without skill" not in capsys.readouterr().out
    with pytest.raises(UserError, match="n_baseline_episodes must not be negative, got -1"):
        test(data_dir, f"run={run_dir}", "n_baseline_episodes=-1")


def test_nothing_is_an_action_only_where_actions_are_numbers():
    discrete = "env=PointReachDiscrete-v0"
    with hydra_main([*TINY[1:], discrete, "algorithm=dqn"], Path(), "main") as cfg:
        assert list(play_baselines(cfg, 1)) == ["at random"]


@pytest.mark.parametrize(
    ("n_tested", "overrides", "n_filmed"),
    [(4, [], 4), (6, [], 5), (4, ["render.n_episodes=9"], 4), (4, ["render.n_episodes=2"], 2)],
)
def test_a_film_shows_the_first_episodes_of_the_test(
    n_tested: int, overrides: list[str], n_filmed: int, data_dir: Path, caplog, capsys
):
    run_dir = data_dir / "PointReach-v0/her/good"
    given = [f"run={run_dir}", "render=record", "n_baseline_episodes=0", f"n_episodes={n_tested}"]
    with caplog.at_level("INFO"):
        test(data_dir, *given, *overrides)
    assert f"film of {n_filmed} episodes" in caplog.text
    shown = capsys.readouterr().out
    some = f"shows the first {n_filmed} of {n_tested} episodes; all: render.n_episodes={n_tested}\n"
    assert (some in shown) == ("shows" in shown) == (n_filmed < n_tested)
    frames = imageio.mimread(run_dir / "films/best_model.mp4", memtest=False)
    assert len(frames) == n_filmed * (20 + 6)  # steps, and how long the last of each stays


@pytest.mark.parametrize(
    ("override", "answer"),
    [
        ("render.camera.distance=-1", "render.camera.distance must be more than 0, got -1"),
        ("render.camera.lookat=[1,2]", "render.camera.lookat must be three numbers"),
        ("render.width=100", "render.width must be at least 240, got 100"),
        ("render.n_episodes=0", "render.n_episodes must be at least 1, got 0"),
    ],
)
def test_how_not_to_film_is_said_before_the_test(override: str, answer: str, data_dir: Path):
    run_dir = data_dir / "PointReach-v0/her/good"
    with pytest.raises(UserError, match=re.escape(answer)):
        test(data_dir, f"run={run_dir}", "render=record", override)


def test_intervals_of_returns_keep_to_what_rewards_can_add_up_to():
    def ended(total: float) -> Episode:
        return Episode(total, 20, None, None, None, (), (-1.0, 0.0))

    lines = report_lines([ended(each) for each in (-1, -1, -1, -1, -20)])
    assert lines[1].split() == ["return", "-4.800", "[-15.350,", "0.000]"]
    lines = report_lines([ended(each) for each in (-20, -20, -20, -20, -1)])
    assert lines[1].split() == ["return", "-16.200", "[-20.000,", "-5.650]"]


def test_each_goal_is_written(data_dir: Path):
    run_dir = data_dir / "PointReach-v0/her/good"
    test(data_dir, f"run={run_dir}")
    with (run_dir / "test_best_model.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({(row["goal_0"], row["goal_1"]) for row in rows}) == 4
    mean = np.mean([float(row["goal_distance"]) for row in rows])
    summary = json.loads((run_dir / "test_best_model.json").read_text())
    assert summary["eval/goal_distance"] == pytest.approx(mean)


def test_two_runs_on_the_same_goals(data_dir: Path, capsys):
    folders = [data_dir / "PointReach-v0/her" / name for name in NAMES]
    test(data_dir, f"run={folders[0]}", f"compare={folders[1]}")
    assert "this run minus the other, goal by goal" in capsys.readouterr().out
    with hydra_main([f"data_dir={data_dir}", "n_episodes=4"], data_dir, "evaluate") as cfg:
        played = [play(cfg, find_agent(cfg, str(folder))).episodes for folder in folders]
    assert [one.goal for one in played[0]] == [one.goal for one in played[1]]


def episode(success: bool, distance: float) -> Episode:
    return Episode(-10.0, 20, success, success, distance, (0.5, distance))


def test_a_paired_interval_is_narrower_than_the_spread_of_goals():
    hard = np.linspace(0, 10, 50)
    first = [episode(True, float(distance)) for distance in hard]
    second = [episode(False, float(distance) + 0.1) for distance in hard]
    lines = comparison_lines(first, second)
    assert lines[-1].split() == ["final", "goal", "distance", "-0.100", "[-0.100,", "-0.100]"]
    assert lines[1].split()[-3:] == ["+1.000", "[+0.897,", "+1.000]"]  # of 50, not of all goals


def test_missed_goals_are_named():
    lines = report_lines([episode(False, distance) for distance in range(1, 8)])
    assert lines[-6:-1] == [f"  missed goal (0.500, {d:.3f}) by {d:.3f}" for d in (7, 6, 5, 4, 3)]
    assert lines[-1] == "  and 2 more"
    assert goal_table([episode(True, 1.0)]).splitlines()[1] == "0,0.5,1.0,True,True,-10.0,20,1.0"


@pytest.mark.parametrize("learner", ["sac", "td3"])
def test_plain_sb3_loads_an_export(tmp_path: Path, learner: str):
    run_dir = tmp_path / "run"
    overrides = [f"algorithm.layer_classes=[{learner}]", "normalize.observation=true"]
    train(run_dir, *TINY, *overrides, "n_epochs=1")
    path = tmp_path / "policy.zip"
    given = [f"run={run_dir}", f"export={path}", "n_episodes=1"]
    with hydra_main(given, tmp_path, "evaluate") as cfg:
        run_test(cfg, context_of_hydra().choices.get("algorithm"))
        model = play(cfg, find_agent(cfg, str(run_dir))).model
    assert (tmp_path / "policy.vecnormalize.pkl").exists()
    module, *action = without_repository(tmp_path, LOAD, learner.upper(), str(path)).split()
    assert module.startswith("stable_baselines3.")
    keys = ("observation", "achieved_goal", "desired_goal")
    seen = {key: np.full((1, 2), 0.3, np.float32) for key in keys}
    expected = model.predict(seen, deterministic=True)[0][0]
    assert np.array(action, float) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["run=best"], "run=best needs env="),
        (["run=best", "env=FetchReach-v4"], "there is no finished run with a checkpoint in"),
        (["run=best", "env=PointReach-v0", "algorithm=sac"], "there is no finished run"),
        (["compare=nonsense"], "there is no run 'nonsense'"),
        (["run=0123456789abcdef0123456789abcdef"], "has the MLflow run id"),
        (["export=policy"], "must end in .zip"),
        (["export=nowhere/policy.zip"], "there is no folder nowhere"),
    ],
)
def test_wrong_input(data_dir: Path, overrides: list[str], sentence: str):
    with pytest.raises(UserError, match=sentence):
        test(data_dir, *overrides)


def test_both_agents_are_paid_by_the_reward_of_the_first(data_dir: Path, tmp_path: Path, capsys):
    run_dir, other = data_dir / "PointReach-v0/her/good", tmp_path / "other"
    shutil.copytree(run_dir, other)
    own = "reward: {_target_: envs.rewards.action_cost, weight: 1e4}\n"
    config = (other / "config.yaml").read_text().replace("reward: null\n", own)
    (other / "config.yaml").write_text(config)
    test(data_dir, f"run={run_dir}", f"compare={other}", "trust=true")
    shown = capsys.readouterr().out
    assert "both returns are by that of the first" in shown
    assert re.search(r"  return +\+0\.000 ", shown)
    test(data_dir, f"run={other}", "trust=true")
    assert float(re.findall(r"  return +(\S+)", capsys.readouterr().out)[0]) < -100


def test_runs_on_different_environments_do_not_compare(data_dir: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    config = (data_dir / "PointReach-v0/her/bad/config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("PointReach-v0", "FetchReach-v4"))
    shutil.copy(data_dir / "PointReach-v0/her/bad/best_model.zip", other)
    with pytest.raises(UserError, match="cannot be compared with one on FetchReach-v4"):
        test(data_dir, f"compare={other}")


def test_what_many_environments_learned_together_one_alone_tests(tmp_path: Path, capsys):
    """A minibatch of ppo may be larger than what one environment collects."""
    rollout = ["env.n_envs=4", "algorithm.n_steps=16", "algorithm.batch_size=64"]
    run_dir = tmp_path / "run"
    train(run_dir, *TINY, "env=CartPole-v1", "algorithm=ppo", "preset=none", *rollout)
    test(tmp_path, f"run={run_dir}", "n_episodes=2", "n_baseline_episodes=0")
    assert "return" in capsys.readouterr().out
