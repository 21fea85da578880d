"""What to show in the picture of an environment: subgoals as balls, and the whole of a maze."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

# Gymnasium-Robotics wraps the robot's environment in that of a maze or a kitchen.
_INNER = ("point_env", "ant_env", "robot_env")
_RADIUS = 0.015  # of the scene's extent
_MAZE_DISTANCE = 1.3  # of the camera, in lengths of the maze


@dataclass(frozen=True)
class Marker:
    """
    A ball in the picture.

    :param position: in the environment's coordinates (3,)
    :param colour: red, green, blue in [0, 1]
    """

    position: np.ndarray
    colour: tuple[float, float, float]


def positions_of(goal: np.ndarray) -> list[np.ndarray]:
    """
    Read points out of a goal.

    Two numbers are a place on the ground, a multiple of three are as many points (fingertips of
    HandReach), anything longer begins with a position (poses of HandManipulate).

    :param goal: in the environment's goal unit (n,)
    :return: points (3,); none where the goal is a single number
    """
    if goal.size == 2:
        return [np.append(goal, 0.0)]
    if goal.size % 3 == 0:
        return list(goal.reshape(-1, 3))
    return [goal[:3]] if goal.size > 3 else []


def show_markers(env: gym.Env, markers: Sequence[Marker]) -> bool:
    """
    Put markers into the next picture that ``env.render`` makes, and into no other.

    :param env: one with a method ``show_markers`` of its own, or one rendered by MuJoCo
    :param markers: to show
    :return: whether this environment can show them
    """
    own: Any = env.unwrapped
    if hasattr(own, "show_markers"):
        own.show_markers(markers)
        return True
    viewer = _mujoco_viewer(env)
    if viewer is None:
        return False
    import mujoco

    radius = _RADIUS * viewer.model.stat.extent
    for marker in markers:
        viewer.add_marker(
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            pos=marker.position,
            size=np.full(3, radius),
            rgba=np.array([*marker.colour, 0.7]),
            label="",
        )
    return True


def show_whole_maze(env: gym.Env) -> None:
    """
    Look at a maze from above: Gymnasium-Robotics shows an ant's surroundings, but not its goal.

    :param env: any; one without a maze, or without MuJoCo, stays as it is
    """
    maze = getattr(env.unwrapped, "maze", None)
    viewer = None if maze is None else _mujoco_viewer(env)
    if maze is None or viewer is None:
        return
    side = max(maze.map_length, maze.map_width) * maze.maze_size_scaling
    viewer.cam.lookat[:] = 0
    viewer.cam.distance = _MAZE_DISTANCE * side
    viewer.cam.elevation = -80


def _mujoco_viewer(env: gym.Env) -> Any:
    inner: Any = env.unwrapped
    for name in _INNER:
        inner = getattr(inner, name, inner)
    renderer = getattr(inner.unwrapped, "mujoco_renderer", None)
    if renderer is None or env.render_mode is None:
        return None
    return renderer._get_viewer(env.render_mode)
