"""Pictures are seen from where they shall be, and show markers at their places."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import envs  # noqa: F401 (registers our environments)
from envs.markers import Marker, goal_positions, positions_of, show_markers
from envs.view import look, mujoco_viewer

BLUE = (0.0, 0.0, 1.0)


@pytest.fixture(autouse=True)
def _without_a_display(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")


def made(name: str) -> gym.Env:
    env = gym.make(name, render_mode="rgb_array")
    env.reset(seed=1)
    return env


def picture(env: gym.Env, *markers: Marker) -> np.ndarray:
    assert show_markers(env, markers)
    return np.array(env.render())


@pytest.mark.parametrize(
    ("goal", "positions"),
    [
        ([1.0, 2.0], [[1, 2, 0]]),
        ([1.0, 2.0, 3.0], [[1, 2, 3]]),
        (range(15), [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], [12, 13, 14]]),
        ([1.0, 2.0, 3.0, 1.0, 0.0, 0.0, 0.0], [[1, 2, 3]]),
        ([[1.0, 2.0], [3.0, 4.0]], [[1, 2, 3]]),
        ([1.0], []),
    ],
)
def test_positions_of_goals(goal, positions):
    assert [list(point) for point in positions_of(np.array(goal))] == positions


@pytest.mark.parametrize(
    ("name", "reached"), [("UR5Reacher-v0", "wrist"), ("InvertedPendulumGoal-v0", "mass")]
)
def test_goals_that_are_angles_are_shown_where_the_body_then_is(name: str, reached: str):
    env: Any = gym.make(name).unwrapped
    for seed in range(5):
        goal = env.reset(seed=seed)[0]["desired_goal"]
        angles = goal if reached == "wrist" else goal[:1]
        env.set_state(angles, np.zeros_like(angles))
        (place,) = goal_positions(env, goal)
        assert goal_positions(env, np.append(goal, [0, 0, 0]))[0] == pytest.approx(place)
        geom = env.data.geom_xpos[-1]  # both are the last of their model
        assert place == pytest.approx(geom, abs=1e-6)


@pytest.mark.parametrize("is_ring", [True, False])
def test_nothing_hides_a_marker_and_a_ring_hides_nothing(is_ring: bool):
    env = made("FetchReach-v4")
    inside_the_table = [1.3, 0.75, 0.3]
    look(env, {"distance": 1.5, "azimuth": 140.0, "elevation": -30.0, "lookat": inside_the_table})
    plain = picture(env)
    marked = picture(env, Marker(np.array(inside_the_table), BLUE, is_ring, "it"))
    after = picture(env)
    env.close()
    changed = np.argwhere((plain != marked).any(axis=-1))
    assert changed.mean(axis=0) == pytest.approx([240, 240], abs=2)  # where the camera looks
    assert ([240, 240] in changed.tolist()) != is_ring
    assert 8 < np.ptp(changed[:, 1]) < 50
    assert (plain == after).all()


def test_a_view_changes_only_what_it_names():
    env = made("InvertedPendulumGoal-v0")
    before = mujoco_viewer(env).cam.elevation
    assert look(env, {"distance": 1.25, "lookat": [0.1, 0.2, 0.3], "azimuth": None})
    camera = mujoco_viewer(env).cam
    assert (camera.distance, camera.azimuth, camera.elevation) == (1.25, 90, before)
    assert list(camera.lookat) == [0.1, 0.2, 0.3]
    env.close()


def test_a_maze_is_seen_whole_from_above_unless_the_view_says_otherwise():
    env = made("PointMaze_UMaze-v3")
    look(env, {"distance": None})
    assert (mujoco_viewer(env).cam.distance, mujoco_viewer(env).cam.elevation) == (5.0, -80)
    look(env, {"distance": 3.0})
    assert (mujoco_viewer(env).cam.distance, mujoco_viewer(env).cam.elevation) == (3.0, -80)
    env.close()


def test_an_environment_without_pictures_has_no_view_and_shows_no_markers():
    env = gym.make("CartPole-v1")
    assert not look(env, {"distance": 1.0})
    assert not show_markers(env, [])
