"""Move a robot arm's three large joints to given angles: a task of the HAC paper."""

import numpy as np

from envs.mujoco_goals import ASSETS, ThresholdGoals

_START = (0.00596625837, 0.00322757851, -0.127944547)
_SHOULDER_HEIGHT, _UPPER_ARM, _FOREARM = 0.089159, 0.425, 0.39225
_WRIST_SIDE = 0.01615  # of the wrist, from the plane through the pan axis


class UR5Reacher(ThresholdGoals):
    """
    Bring shoulder pan, shoulder lift and elbow to the angles of a goal (radians).

    Observed are the three angles and their velocities (radians per second). Actions are shares
    of the greatest torque.

    :param render_mode: as in Gymnasium
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 33}  # noqa: RUF012

    def __init__(self, *, render_mode: str | None = None) -> None:
        bounds = np.full(3, 2 * np.pi)
        thresholds = np.full(3, np.deg2rad(10))
        super().__init__(ASSETS / "ur5.xml", 15, -bounds, bounds, thresholds, render_mode)

    def goal_positions(self, goal: np.ndarray) -> list[np.ndarray]:
        """
        Tell where the wrist is at the angles of a goal, or of a subgoal that also has velocities.

        :param goal: the three angles (radians) first
        :return: one point (3,), metres
        """
        pan, lift, elbow = goal[:3]
        out = _UPPER_ARM * np.cos(lift) + _FOREARM * np.cos(lift + elbow)
        height = _SHOULDER_HEIGHT - _UPPER_ARM * np.sin(lift) - _FOREARM * np.sin(lift + elbow)
        x = out * np.cos(pan) - _WRIST_SIDE * np.sin(pan)
        y = out * np.sin(pan) + _WRIST_SIDE * np.cos(pan)
        return [np.array([x, y, height])]

    def _achieved(self) -> np.ndarray:
        return self.data.qpos.copy()

    def _draw_start(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        angles = np.array(_START)
        angles[0] = self.np_random.uniform(-np.pi / 8, np.pi / 8)
        return angles, np.zeros(3), self._draw_goal()

    def _draw_goal(self) -> np.ndarray:
        """Draw angles away from the start, with elbow and wrist above the table."""
        low, high = (-np.pi, -np.pi / 4, -np.pi / 4), (np.pi, 0.0, np.pi / 4)
        while True:
            pan, lift, elbow = goal = self.np_random.uniform(low, high)
            elbow_height = _SHOULDER_HEIGHT - _UPPER_ARM * np.sin(lift)
            wrist_height = elbow_height - _FOREARM * np.sin(lift + elbow)
            if abs(pan) > np.pi / 4 and elbow_height > 0.05 and wrist_height > 0.15:
                return goal
