"""The environments of the HAC paper, and the toy maze."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs  # noqa: F401
from envs.markers import Marker, show_markers

PAPER = ("InvertedPendulumGoal-v0", "UR5Reacher-v0", "AntReacher-v0", "AntFourRooms-v0")


def made(name: str, **arguments: Any) -> Any:
    return gym.make(name, **arguments).unwrapped


@pytest.mark.filterwarnings("ignore:.*Box:UserWarning")
@pytest.mark.parametrize("name", [*PAPER, "WindingMaze-v0"])
def test_gymnasium_accepts_it(name: str):
    check_env(made(name), skip_render_check=True)


@pytest.mark.parametrize(
    ("name", "n_observed", "n_actions", "n_goal", "seconds", "steps"),
    [
        ("InvertedPendulumGoal-v0", 4, 1, 2, 0.02, 1000),
        ("UR5Reacher-v0", 6, 3, 3, 0.03, 600),
        ("AntReacher-v0", 29, 8, 3, 0.3, 500),
        ("AntFourRooms-v0", 29, 8, 3, 0.3, 700),
    ],
)
def test_dimensions_of_the_paper(name, n_observed, n_actions, n_goal, seconds, steps):
    env = made(name)
    observation, _ = env.reset(seed=0)
    shapes = [len(observation[key]) for key in ("observation", "achieved_goal", "desired_goal")]
    assert shapes == [n_observed, n_goal, n_goal]
    assert env.action_space.shape == (n_actions,)
    assert env.dt == pytest.approx(seconds)
    assert gym.spec(name).max_episode_steps == steps


@pytest.mark.parametrize("name", PAPER)
def test_a_goal_is_reached_within_the_threshold_of_every_dimension(name: str):
    env = made(name)
    goal = np.zeros_like(env.thresholds)
    inside, outside = 0.99 * env.thresholds, 0.99 * env.thresholds
    outside[-1] = 1.01 * env.thresholds[-1]
    rewards = env.compute_reward(np.stack([inside, -inside, outside]), np.stack([goal] * 3), {})
    np.testing.assert_array_equal(rewards, [0, 0, -1])


def test_ants_start_far_from_their_goals():
    reacher, rooms = made("AntReacher-v0"), made("AntFourRooms-v0")
    for seed in range(20):
        observation, _ = reacher.reset(seed=seed)
        way = observation["desired_goal"] - observation["achieved_goal"]
        assert np.linalg.norm(way[:2]) >= 8
        observation, _ = rooms.reset(seed=seed)
        signs = [np.sign(observation[key][:2]) for key in ("achieved_goal", "desired_goal")]
        assert (signs[0] != signs[1]).any()


def test_the_arm_can_reach_its_goals():
    """Set to a goal, its wrist is above the table, where the drawing of goals says it is."""
    env = made("UR5Reacher-v0")
    for seed in range(20):
        goal = env.reset(seed=seed)[0]["desired_goal"]
        env.set_state(goal, np.zeros(3))
        assert env.data.body("wrist").xpos[2] > 0.15
        assert env.data.body("forearm").xpos[2] > 0.05


def test_the_pendulum_hangs_and_can_be_held():
    env = made("InvertedPendulumGoal-v0", goal_range=(0.0, 0.0))
    env.reset(seed=0)
    env.set_state(np.array([0.01]), np.zeros(1))
    for _ in range(100):
        angle, velocity = env._achieved()
        *_, info = env.step(np.array([np.clip(-20 * angle - 2 * velocity, -2, 2)]))
    assert info["is_success"]
    env.set_state(np.array([np.pi + 0.1]), np.zeros(1))
    for _ in range(500):
        observation = env.step(np.zeros(1))[0]
    assert abs(observation["observation"][0] + 1) < 0.01


@pytest.mark.parametrize(
    ("start", "action", "end"),
    [
        ((0.5, 0.5), (1, 0), (0.65, 0.5)),
        ((0.5, 0.9), (0, 1), (0.5, 0.9)),  # the wall above
        ((3.5, 0.9), (0, 1), (3.5, 1.05)),  # the way around it
        ((0.05, 0.5), (-1, 0), (0.05, 0.5)),  # the border
        ((2.95, 0.9), (1, 1), (3.1, 1.05)),  # along one axis, then the other
    ],
)
def test_walls_of_the_maze(start, action, end):
    env = made("WindingMaze-v0", step_size=0.15)
    env.reset(seed=0)
    env._position = np.array(start)
    observation = env.step(np.array(action))[0]
    np.testing.assert_allclose(observation["achieved_goal"], end, atol=1e-6)


def test_the_maze_is_drawn_and_has_no_other_layouts():
    env = made("WindingMaze-v0", render_mode="rgb_array")
    env.reset(seed=0)
    plain = env.render()
    assert plain.shape == (480, 384, 3)
    place, blue = np.array([0.5, 0.5, 0.0]), [0, 0, 255]
    assert show_markers(env, [Marker(place, (0.0, 0.0, 1.0), is_ring=False, name="dot")])
    assert (env.render()[432, 48] == blue).all()
    assert (env.render() == plain).all()
    show_markers(env, [Marker(place, (0.0, 0.0, 1.0), is_ring=True, name="ring")])
    ring = env.render()
    assert (ring[432, 48] == plain[432, 48]).all()
    assert (ring[432, 48 + 38] == blue).all()  # as far as a goal is reached from
    with pytest.raises(ValueError, match="layout must be one of u, z, snake, got 'x'"):
        made("WindingMaze-v0", layout="x")
