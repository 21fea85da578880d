"""Swing up a pendulum and hold it: the first task of the HAC paper."""

from typing import Any

import numpy as np

from envs.mujoco_goals import ASSETS, ThresholdGoals

_HINGE, _LENGTH = np.array([0.0, 0.0, 0.6]), 0.5  # metres, as in pendulum.xml


class InvertedPendulum(ThresholdGoals):
    """
    Bring a pendulum to an angle near upright, and to a velocity near rest.

    Observed are cosine and sine of the angle, the angle in (-pi, pi] and the velocity: the first
    two are what the authors observe, the last two are a subgoal. Goals: angle (radians) and
    velocity (radians per second); actions: a torque (newton metres).

    :param goal_range: greatest angle (16 degrees) and velocity of a goal; the authors test at 0, 0
    :param render_mode: as in Gymnasium
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 50}  # noqa: RUF012

    def __init__(self, *, goal_range: Any = (0.27925, 0.6), render_mode: str | None = None) -> None:
        self.goal_range = np.array(goal_range)
        bounds = np.array([np.pi, 15.0])
        thresholds = [np.deg2rad(9.5), 0.6]
        super().__init__(ASSETS / "pendulum.xml", 10, -bounds, bounds, thresholds, render_mode)

    def goal_positions(self, goal: np.ndarray) -> list[np.ndarray]:
        """
        Tell where the mass is at the angle of a goal; its velocity is not to be seen.

        :param goal: angle and velocity (2,)
        :return: one point (3,), metres
        """
        return [np.array([np.sin(goal[0]), 0.0, np.cos(goal[0])]) * _LENGTH + _HINGE]

    def _observation(self) -> np.ndarray:
        angle, velocity = self._achieved()
        return np.array([np.cos(angle), np.sin(angle), angle, velocity])

    def _achieved(self) -> np.ndarray:
        angle = (self.data.qpos[0] + np.pi) % (2 * np.pi) - np.pi
        return np.array([angle, self.data.qvel[0]])

    def _draw_start(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        angle = self.np_random.uniform(np.pi / 4, 7 * np.pi / 4, 1)
        velocity = self.np_random.uniform(-0.05, 0.05, 1)
        return angle, velocity, self.np_random.uniform(-self.goal_range, self.goal_range)
