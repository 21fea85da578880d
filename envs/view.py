"""Where a picture of MuJoCo is seen from."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym

# Gymnasium-Robotics wraps the robot's environment in that of a maze or a kitchen.
_INNER = ("point_env", "ant_env", "robot_env")
_MAZE_DISTANCE = 1.25  # of the camera, in lengths of the maze from middle to middle of its walls


def look(env: gym.Env, camera: Mapping[str, Any]) -> bool:
    """
    Look at an environment from a given place, a maze otherwise from above.

    Gymnasium-Robotics shows an ant's surroundings, but not its goal. In a window the user may
    turn the camera afterwards.

    :param env: any; one that MuJoCo does not draw stays as it is
    :param camera: ``distance`` (metres), ``azimuth``, ``elevation`` (degrees), ``lookat`` (3,)
        (metres); what is None or missing is as the environment has it
    :return: whether MuJoCo draws it
    """
    viewer = mujoco_viewer(env)
    if viewer is None:
        return False
    for key, value in (_whole_maze(env) | _without_nones(camera)).items():
        if key == "lookat":
            viewer.cam.lookat[:] = value
        else:
            setattr(viewer.cam, key, value)
    return True


def mujoco_viewer(env: gym.Env) -> Any:
    """
    Find what draws an environment.

    Nobody may keep it: the next environment's pictures are black if it outlives its own.

    :param env: any
    :return: of Gymnasium; None if the environment draws no pictures, or not by MuJoCo
    """
    inner: Any = env.unwrapped
    for name in _INNER:
        inner = getattr(inner, name, inner)
    renderer = getattr(inner.unwrapped, "mujoco_renderer", None)
    if renderer is None or env.render_mode is None:
        return None
    return renderer._get_viewer(env.render_mode)


def _whole_maze(env: gym.Env) -> dict[str, Any]:
    maze = getattr(env.unwrapped, "maze", None)
    if maze is None:
        return {}
    side = (max(maze.map_length, maze.map_width) - 1) * maze.maze_size_scaling
    return {"lookat": 0, "distance": _MAZE_DISTANCE * side, "elevation": -80}


def _without_nones(camera: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in camera.items() if value is not None}
