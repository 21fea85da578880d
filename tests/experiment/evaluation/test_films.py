"""Films show goal and subgoals in step with their metrics, and change nothing of a run."""

import csv
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv

import envs  # noqa: F401 (registers our environments)
from baselines_ext import PPO, SAC, TD3, TQC
from envs.episode_seeds import evaluation_seeds
from envs.markers import Marker, positions_of, show_markers
from experiment.evaluation.camera import Watched
from experiment.evaluation.evaluation import make_evaluation_env
from experiment.evaluation.film_strip import FilmStrip, StepNumbers, layer_colour
from experiment.evaluation.rendering import render_episodes
from tests.running import TINY_HER, hydra_main, train

ORANGE = np.array([230, 158, 0])


class SetsSubgoals(SAC):
    """SAC that claims to follow two subgoals, and counts its decisions."""

    n_decisions = 0

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        self.n_decisions += 1
        return super().predict(*args, **kwargs)

    def subgoals(self, state: Any) -> list[list[np.ndarray]]:
        return [[np.array([0.5, 0.5]), np.array([-0.5, 0.5])]]

    def evaluation_keys(self) -> list[str]:
        return ["n_decisions"]

    def evaluation_metrics(self) -> dict[str, float]:
        n_decisions, self.n_decisions = self.n_decisions, 0
        return {"n_decisions": n_decisions}


def film_of(folder: Path, *overrides: str) -> tuple[Path | None, SetsSubgoals]:
    tiny = [*TINY_HER, "render=record", "render.n_episodes=2", *overrides]
    with hydra_main(tiny, folder) as cfg:
        env = make_evaluation_env(cfg, evaluation_seeds(3))
        model = SetsSubgoals("MultiInputPolicy", env.venv, policy_kwargs={"net_arch": [8]})
        path = render_episodes(model, cfg, evaluation_seeds(3), folder, "film")
        env.close()
        return path, model


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return [
            {key: value for key, value in row.items() if not key.startswith("time/")}
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_a_film(tmp_path: Path, suffix: str):
    path, model = film_of(tmp_path, f"render.format={suffix}", "render.width=320")
    assert path == tmp_path / f"film.{suffix}"
    frames = imageio.mimread(path, memtest=False)
    held = 2 * 6  # 0.6 s at 10 pictures a second after each episode
    # a GIF keeps equal pictures as one
    assert len(frames) == 2 * 20 + (held if suffix == "mp4" else 0)
    height, width, _ = frames[0].shape
    assert (width, height) == (320, 480 + 22 * 6 + 6)
    shown = np.abs(frames[0][:480, :, :3].astype(int) - ORANGE).max(axis=-1) < 40
    assert np.argwhere(shown).mean(axis=0) == pytest.approx([160, 240], abs=5)
    assert model.n_decisions == 0


def test_recording_changes_nothing(tmp_path: Path):
    overrides = [*TINY_HER, "n_epochs=3", "normalize.observation=true"]
    train(tmp_path / "without", *overrides)
    train(tmp_path / "with", *overrides, "render=record", "render.every_n_epochs=1")
    assert len(list((tmp_path / "with/films").glob("*.mp4"))) == 3
    for name in ("evaluations.csv", "progress.csv"):
        assert rows_of(tmp_path / "with" / name) == rows_of(tmp_path / "without" / name)
    digests = [
        json.loads((tmp_path / name / "result.json").read_text())["weights_sha256"]
        for name in ("with", "without")
    ]
    assert digests[0] == digests[1]


def test_where_no_picture_can_be_made_the_run_goes_on(tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setattr("envs.point_reach.PointReach.render", _no_display)
    result = train(tmp_path / "run", *TINY_HER, "render=record")
    assert result.n_epochs == 2
    messages = [record.message for record in caplog.records if "cannot render" in record.message]
    assert messages == ["cannot render PointReach-v0 here: no display"]
    assert not list((tmp_path / "run").rglob("*.mp4"))


def _no_display(self: Any) -> None:
    raise RuntimeError("no display\nand a long story")


def test_no_ffmpeg_and_no_folder_are_one_line_each(tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nothing"))
    (tmp_path / "run").mkdir()
    assert film_of(tmp_path / "run")[0] is None
    (tmp_path / "file").write_text("")
    assert film_of(tmp_path / "file")[0] is None
    assert len([record for record in caplog.records if "cannot render" in record.message]) == 2


@pytest.mark.parametrize(
    ("goal", "positions"),
    [
        ([1.0, 2.0], [[1, 2, 0]]),
        ([1.0, 2.0, 3.0], [[1, 2, 3]]),
        (range(15), [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], [12, 13, 14]]),
        ([1.0, 2.0, 3.0, 1.0, 0.0, 0.0, 0.0], [[1, 2, 3]]),
        ([1.0], []),
    ],
)
def test_positions_of_goals(goal, positions):
    assert [list(point) for point in positions_of(np.array(goal))] == positions


@pytest.mark.parametrize("name", ["FetchReach-v4", "PointMaze_UMaze-v3"])
def test_mujoco_shows_markers_once(name: str, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")
    env = gym.make(name, render_mode="rgb_array")
    observation, _ = env.reset(seed=1)
    (place, *_) = positions_of(observation["achieved_goal"] + 0.3)
    plain = np.asarray(env.render())
    assert show_markers(env, [Marker(place, layer_colour(0))])
    marked, after = np.asarray(env.render()), np.asarray(env.render())
    env.close()
    assert (plain != marked).any()
    assert (plain == after).all()


def test_an_environment_without_pictures_shows_no_markers():
    env = gym.make("CartPole-v1")
    assert not show_markers(env, [])


def test_the_watched_agent_acts_as_it_would_alone(tmp_path: Path):
    with hydra_main(TINY_HER, tmp_path) as cfg:
        env = make_evaluation_env(cfg, evaluation_seeds(3))
        model = SetsSubgoals("MultiInputPolicy", env.venv, policy_kwargs={"net_arch": [8]})
        observation = env.venv.reset()
        watched = Watched(model)
        action, _ = watched.predict(observation, deterministic=True)
        assert (action == model.predict(observation, deterministic=True)[0]).all()
    assert len(watched.subgoals) == 2
    assert isinstance(watched.q, float)


@pytest.mark.parametrize("learner", [SAC, TD3, TQC, PPO])
def test_what_the_critics_say(learner: Any, tmp_path: Path):
    with hydra_main(TINY_HER, tmp_path) as cfg:
        env = make_evaluation_env(cfg, evaluation_seeds(3))
        model = learner("MultiInputPolicy", env.venv, policy_kwargs={"net_arch": [8]})
        watched = Watched(model)
        watched.predict(env.venv.reset(), deterministic=True)
    assert (watched.q is None) == (learner is PPO)  # it has no critic of actions


def test_what_the_critics_say_of_actions_in_double_precision():
    env = gym.make("PointReach-v0")
    env.action_space = gym.spaces.Box(-1, 1, (2,), np.float64)
    venv = DummyVecEnv([lambda: env])
    watched = Watched(SAC("MultiInputPolicy", venv, policy_kwargs={"net_arch": [8]}))
    watched.predict(venv.reset())
    assert isinstance(watched.q, float)


def test_the_strip_has_a_row_per_metric_and_layer():
    strip = FilmStrip(["success", "subgoal_reached", "q"], 300, 10)
    steps = [StepNumbers(False, 0.5, [True, False], 0.1), StepNumbers(True, None, [], None)]
    assert strip.draw("title", steps, 2).shape == (22 * 5 + 6, 300, 3)
    alone = [StepNumbers(True, None, [], None)]
    assert strip.draw("no critics", alone, 0).shape == (22 * 2 + 6, 300, 3)
