"""What to show in the picture of an environment: rings around subgoals, and a dot at the goal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from envs.view import mujoco_viewer

# Of markers drawn by MuJoCo, as shares of their distance: equally large in all films.
_RING, _WIRE, _DOT = 0.03, 0.0035, 0.013
_NEAR = 0.3  # of the way from the camera
_N_SEGMENTS = 20  # of a ring


@dataclass(frozen=True)
class Marker:
    """
    A ring or a dot in the picture.

    :param position: in the environment's coordinates (3,)
    :param colour: red, green, blue in [0, 1]
    :param is_ring: one hides nothing of what is in it
    :param name: what it shows
    """

    position: np.ndarray
    colour: tuple[float, float, float]
    is_ring: bool
    name: str


def goal_positions(env: gym.Env, goal: np.ndarray) -> list[np.ndarray]:
    """
    Tell where in the picture a goal is.

    An environment whose goals are no places has a method ``goal_positions(goal)`` of its own.

    :param env: with or without that
    :param goal: in the environment's goal unit (n,)
    :return: points (3,); none where the goal is no place
    """
    if env.has_wrapper_attr("goal_positions"):
        return list(env.get_wrapper_attr("goal_positions")(goal))
    return positions_of(goal)


def positions_of(goal: np.ndarray) -> list[np.ndarray]:
    """
    Read points out of a goal.

    Two numbers are a place on the ground, a multiple of three are as many points (fingertips of
    HandReach), anything longer begins with a position (poses of HandManipulate).

    :param goal: in the environment's goal unit, n numbers
    :return: points (3,); none where the goal is a single number
    """
    if goal.size == 2:
        return [np.append(goal, 0.0)]
    if goal.size % 3 == 0:
        return list(goal.reshape(-1, 3))
    return [goal.ravel()[:3]] if goal.size > 3 else []


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
    viewer = mujoco_viewer(env)
    if viewer is None:
        return False
    for marker in markers:
        draw = _add_ring if marker.is_ring else _add_dot
        draw(viewer, marker.position, np.array([*_lit(viewer.model, marker.colour), 1.0]))
    return True


def _lit(model: Any, colour: tuple[float, float, float]) -> np.ndarray:
    """Darken a colour by as much as the lights would whiten it: orange would become yellow."""
    head = model.vis.headlight
    lights = (model.light_ambient + model.light_diffuse)[model.light_active.astype(bool)]
    light = head.active * (head.ambient + head.diffuse) + lights.sum(axis=0)
    return np.array(colour) / max(1.0, light.max())


def _add_dot(viewer: Any, position: np.ndarray, rgba: np.ndarray) -> None:
    import mujoco

    place, unit = _brought_near(viewer.cam, position)
    size = np.full(3, _DOT * unit)
    viewer.add_marker(type=mujoco.mjtGeom.mjGEOM_SPHERE, pos=place, size=size, rgba=rgba)


def _add_ring(viewer: Any, position: np.ndarray, rgba: np.ndarray) -> None:
    """Add a ring of capsules that faces the camera: MuJoCo has no rings."""
    import mujoco

    place, unit = _brought_near(viewer.cam, position)
    right, up, _ = _axes(viewer.cam)
    half_length = _RING * unit * np.tan(np.pi / _N_SEGMENTS)
    for angle in 2 * np.pi * np.arange(_N_SEGMENTS) / _N_SEGMENTS:
        outwards = np.cos(angle) * right + np.sin(angle) * up
        along = np.cos(angle) * up - np.sin(angle) * right
        viewer.add_marker(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            pos=place + _RING * unit * outwards,
            mat=np.stack([outwards, np.cross(along, outwards), along], axis=1).ravel(),
            size=np.array([_WIRE * unit, _WIRE * unit, half_length]),
            rgba=rgba,
        )


def _brought_near(camera: Any, position: np.ndarray) -> tuple[np.ndarray, float]:
    """
    Bring a marker towards the camera, so that no wall and no robot hides it.

    :return: the point (3,), which is at the same place in the picture, and how far it is (metres)
    """
    ahead = _axes(camera)[2]
    eye = np.array(camera.lookat) - camera.distance * ahead
    place = eye + _NEAR * (position - eye)
    return place, float((place - eye) @ ahead)


def _axes(camera: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute what is right, up and ahead in the picture of a free camera, (3,) each."""
    azimuth, elevation = np.deg2rad([camera.azimuth, camera.elevation])
    right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    level = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    ahead = np.cos(elevation) * level + np.array([0.0, 0.0, np.sin(elevation)])
    return right, np.cross(right, ahead), ahead
