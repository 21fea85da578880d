"""Walk an ant to a place, in the open or through four rooms: two tasks of the HAC paper."""

from typing import Any

import mujoco
import numpy as np

from envs.mujoco_goals import ThresholdGoals

_LEGS = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0)
"""Orientation and joints of an ant that stands."""

_QUARTERS = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
_WALLS = (  # centre x, y and half widths of the four rooms' walls
    (8.25, 0, 0.25, 8.25),
    (-8.25, 0, 0.25, 8.25),
    (0, 8.25, 8.5, 0.25),
    (0, -8.25, 8.5, 0.25),
    (0, 0, 0.5, 3.5),
    (0, 0, 3.5, 0.5),
    (7.25, 0, 0.75, 0.5),
    (-7.25, 0, 0.75, 0.5),
    (0, 7.25, 0.5, 0.75),
    (0, -7.25, 0.5, 0.75),
)
_FLOOR = (0.2, 0.23, 0.26), (0.26, 0.29, 0.32)  # colours of its squares


class AntReacher(ThresholdGoals):
    """
    Bring an ant's torso to a place at least 8 metres away.

    Gymnasium's ant with weaker motors and longer time steps, as the authors have it. Observed are
    all 15 positions and 14 velocities; goals are the torso's position (metres).

    :param render_mode: as in Gymnasium
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 3}  # noqa: RUF012
    gear = 16.0
    walls: tuple[tuple[float, float, float, float], ...] = ()
    goal_thresholds = (0.5, 0.5, 0.2)
    goal_extent = 11.75

    def __init__(self, *, render_mode: str | None = None) -> None:
        bound = self.goal_extent
        super().__init__(
            "ant.xml", 15, [-bound, -bound, 0], [bound, bound, 1], self.goal_thresholds, render_mode
        )

    def _initialize_simulation(self) -> tuple[Any, Any]:
        spec = mujoco.MjSpec.from_file(self.fullpath)
        spec.option.timestep = 0.02
        for actuator in spec.actuators:
            actuator.gear[0] = self.gear
        for x, y, half_x, half_y in self.walls:
            spec.worldbody.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=[x, y, 1],
                size=[half_x, half_y, 1],
                contype=1,
                conaffinity=1,
                rgba=[0.4, 0.4, 0.4, 1],
            )
        # its black and white squares would outshine ant, goal and subgoals
        spec.texture("texplane").rgb1, spec.texture("texplane").rgb2 = _FLOOR
        spec.material("MatPlane").reflectance = 0
        model = spec.compile()
        model.vis.global_.offwidth, model.vis.global_.offheight = self.width, self.height
        return model, mujoco.MjData(model)

    def _achieved(self) -> np.ndarray:
        return self.data.qpos[:3].copy()

    def _draw_start(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        start, goal = self._draw_places()
        goal_height = self.np_random.uniform(0.45, 0.55)
        qpos = np.array([*start, 0.55, *_LEGS])
        return qpos, np.zeros(self.model.nv), np.array([*goal, goal_height])

    def _draw_places(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw where the ant starts and where it shall go, (2,) each."""
        while True:
            start, goal = self.np_random.uniform(-9.5, 9.5, (2, 2))
            if np.linalg.norm(start - goal) >= 8:
                return start, goal


class AntFourRooms(AntReacher):
    """Bring an ant's torso to a place in another one of four rooms."""

    gear = 15.0
    walls = _WALLS
    goal_thresholds = (0.4, 0.4, 0.2)
    goal_extent = 8.0

    def _draw_places(self) -> tuple[np.ndarray, np.ndarray]:
        here, there = self.np_random.choice(4, 2, replace=False)
        start, goal = self.np_random.uniform(3, 6.5, (2, 2))
        return start * _QUARTERS[here], goal * _QUARTERS[there]
