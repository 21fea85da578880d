"""Films show goal and subgoals in step with their metrics, and change nothing of a run."""

import csv
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio
import numpy as np
import pytest
from PIL import ImageFont
from stable_baselines3.common.vec_env import DummyVecEnv

import envs  # noqa: F401 (registers our environments)
from baselines_ext import PPO, SAC, TD3, TQC
from envs.episode_seeds import evaluation_seeds
from envs.view import mujoco_viewer
from experiment.build.environments import make_env
from experiment.evaluation.camera import Camera, Watched
from experiment.evaluation.evaluation import make_evaluation_env
from experiment.evaluation.film import Film
from experiment.evaluation.film_strip import FilmStrip, StepNumbers
from experiment.evaluation.legend import goal_marker, legend_rows, subgoal_marker
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


class DoesNothing:
    def predict(self, *_: Any, **__: Any) -> Any:
        return np.zeros(1), None


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
    strip = 22 * 8 + 6  # title, legend in two rows, three metrics, two layers
    assert (width, height) == (320, strip + 480)
    assert (frames[0][:4] > 250).all()  # above the picture
    shown = np.abs(frames[0][strip:, :, :3].astype(int) - ORANGE).max(axis=-1) < 40
    assert np.argwhere(shown).mean(axis=0) == pytest.approx([160, 240], abs=5)
    assert model.n_decisions == 0


@pytest.mark.parametrize(
    ("drawn", "overrides", "shown"),
    [
        ((600, 400), [], (600, 400)),  # as it is
        ((160, 210), [], (480, 480)),  # no room for the strip
        ((501, 375), [], (502, 376)),  # of even sizes, as H.264 wants them
        ((600, 400), ["render.width=320"], (320, 400)),
        ((600, 400), ["render.width=320", "render.height=240"], (320, 240)),
    ],
)
def test_the_size_of_the_picture(drawn, overrides, shown, tmp_path: Path):
    frame = np.full((*drawn[::-1], 3), ORANGE, np.uint8)
    with hydra_main([*TINY_HER, *overrides, "render.metrics=[]"], tmp_path) as cfg:
        film = Film(tmp_path / "film.mp4", cfg.render)
        env = gym.make("PointReach-v0")
        for n_steps in (1, 2):
            film.add(env, frame, (), STEPS[:1] * n_steps)
        film.close()
    picture = imageio.mimread(tmp_path / "film.mp4")[0]
    strip = 22 + 6  # title
    assert picture.shape[1::-1] == (shown[0], strip + shown[1])
    middle = picture[strip + shown[1] // 2, shown[0] // 2].astype(int)
    assert np.abs(middle - ORANGE).max() < 10


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
    ("overrides", "distance", "azimuth"),
    [
        ([], 1.5, 90),  # conf/env/InvertedPendulumGoal-v0.yaml
        (["render.camera.azimuth=10"], 1.5, 10),
        (["env.camera.distance=3"], 3, 90),
    ],
)
def test_the_camera_stands_where_the_config_says(overrides, distance, azimuth, tmp_path: Path):
    arguments = ["env=InvertedPendulumGoal-v0", "algorithm=hac", *overrides]
    with hydra_main(arguments, tmp_path) as cfg:
        env = make_env(cfg.env, evaluation_seeds(1), "rgb_array")
        taken: list[np.ndarray] = []
        film = Camera(
            env, Watched(DoesNothing()), cfg.render.camera, lambda _, *got: taken.append(got[0]), 1
        )
        film.reset()
    camera = mujoco_viewer(env).cam
    assert (camera.distance, camera.azimuth) == (distance, azimuth)
    assert taken[0].shape == (480, 480, 3)
    del camera
    env.close()


def test_a_camera_where_mujoco_draws_nothing_is_refused(tmp_path: Path, caplog):
    assert film_of(tmp_path, "render.camera.distance=2")[0] is None
    assert "MuJoCo does not draw it, so render.camera.distance has no effect" in caplog.text


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


def test_critics_are_asked_only_where_their_value_is_shown(tmp_path: Path):
    with hydra_main(TINY_HER, tmp_path) as cfg:
        env = make_evaluation_env(cfg, evaluation_seeds(3))
        model = SAC("MultiInputPolicy", env.venv, policy_kwargs={"net_arch": [8]})
        watched = Watched(model, asks_critics=False)
        watched.predict(env.venv.reset(), deterministic=True)
    assert watched.q is None


def test_what_the_critics_say_of_actions_in_double_precision():
    env = gym.make("PointReach-v0")
    env.action_space = gym.spaces.Box(-1, 1, (2,), np.float64)
    venv = DummyVecEnv([lambda: env])
    watched = Watched(SAC("MultiInputPolicy", venv, policy_kwargs={"net_arch": [8]}))
    watched.predict(venv.reset())
    assert isinstance(watched.q, float)


HERE = np.zeros(3)
MARKERS = [goal_marker(HERE), *(subgoal_marker(layer, HERE) for layer in (0, 1, 1))]
STEPS = [StepNumbers(False, 0.5, [True, False], 0.1), StepNumbers(True, None, [], None)]


def test_the_strip_has_a_row_per_metric_and_layer():
    strip = FilmStrip(["success", "subgoal_reached", "q"], 300, 10)
    assert strip.draw("title", (), STEPS, 2).shape == (22 * 5 + 6, 300, 3)
    alone = [StepNumbers(True, None, [], None)]
    assert strip.draw("no critics", (), alone, 0).shape == (22 * 2 + 6, 300, 3)
    unknown = [StepNumbers(True, None, [None, None], None)]
    assert strip.draw("subgoals of another kind", (), unknown, 2).shape == (22 * 2 + 6, 300, 3)


@pytest.mark.parametrize(("width", "n_rows"), [(480, 1), (300, 2), (100, 3)])
def test_the_legend_names_the_goal_and_each_layer_once(width: int, n_rows: int):
    rows = legend_rows(MARKERS, width, ImageFont.load_default(13))
    assert len(rows) == n_rows
    names = [marker.name for row in rows for marker in row]
    assert names == ["goal", "subgoal of layer 0", "subgoal of layer 1"]


def test_the_legend_is_in_the_strip_in_the_colours_of_the_picture():
    strip = FilmStrip([], 480, 10)
    without, with_legend = (strip.draw("title", shown, STEPS, 2) for shown in ((), MARKERS))
    assert len(with_legend) == len(without) + 22
    for marker in MARKERS:
        colour = 255 * np.array(marker.colour)
        distance = np.abs(with_legend.astype(int) - colour).max(axis=-1)
        assert distance[:22].min() > 20  # the title
        assert distance[22:].min() < 2
