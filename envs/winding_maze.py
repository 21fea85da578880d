"""A maze whose goals lie around several corners: a toy for learners that plan ahead."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs.drawing import Canvas
from envs.markers import Marker
from envs.point_reach import Observation

LAYOUTS = {
    "u": ("....", "###.", "S..."),
    "z": ("....", ".###", "....", "###.", "S..."),
    "snake": ("....", ".###", "....", "###.", "....", ".###", "....", "###.", "S..."),
}
"""Unit cells, the highest row first: S holds the start, # is wall."""

_CELL = 96  # pixels


class WindingMaze(gym.Env):
    """
    Move a point through a maze; numpy only, no physics.

    Observations and goals are positions (2,), the lowest left corner is the origin. An action
    (2,) in [-1, 1] is a velocity. Episodes start in the cell S; goals lie in any other cell that is
    free. The reward is 0 within ``distance_threshold`` of the goal, else -1; the episode ends only
    by truncation.

    :param layout: ``u``, ``z`` or ``snake``: one, two or four walls
    :param step_size: distance moved at full velocity along an axis, in cells
    :param distance_threshold: the goal's radius, in cells
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012 (Gymnasium's)

    def __init__(
        self,
        *,
        layout: str = "z",
        step_size: float = 0.15,
        distance_threshold: float = 0.4,
        render_mode: str | None = None,
    ) -> None:
        if layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
        self.render_mode = render_mode
        self.step_size = step_size
        self.distance_threshold = distance_threshold
        rows = LAYOUTS[layout][::-1]
        self._cells = np.array([list(row) for row in rows]).T  # by x, y
        self._is_free = self._cells != "#"
        area = spaces.Box(np.zeros(2, np.float32), np.array(self._cells.shape, np.float32))
        self.observation_space = spaces.Dict(
            {"observation": area, "achieved_goal": area, "desired_goal": area}
        )
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)
        self._position = self._goal = np.zeros(2)
        self._markers: Sequence[Marker] = ()

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> tuple[Observation, dict[str, Any]]:
        """Start in the cell S, with a goal in another one."""
        super().reset(seed=seed)
        self._position = self._place(np.argwhere(self._cells == "S"))
        self._goal = self._place(np.argwhere(self._cells == "."))
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move along one axis, then the other; walls stop the point."""
        moves = self.step_size * np.clip(action, -1, 1)
        for axis in (0, 1):
            moved = self._position.copy()
            moved[axis] += moves[axis]
            if self._is_inside(moved):
                self._position = moved
        reward = float(self.compute_reward(self._position, self._goal, {}))
        return self._observe(), reward, False, False, {"is_success": reward == 0}

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> Any:  # noqa: ARG002
        """
        Reward goals, one or a whole batch.

        :param achieved_goal: (..., 2)
        :param desired_goal: (..., 2)
        :param info: not used
        :return: (...,), 0 where the goal is reached, else -1
        """
        distance = np.linalg.norm(achieved_goal - desired_goal, axis=-1)
        return (distance <= self.distance_threshold).astype(np.float32) - 1

    def render(self) -> np.ndarray:
        """Draw walls, the disc where the goal is reached, point and markers, 96 pixels per cell."""
        free = np.kron(self._is_free.T[::-1], np.ones((_CELL, _CELL), bool))
        image = np.where(free[..., None], 240, 90).repeat(3, axis=2).astype(np.uint8)
        x, y = ((np.arange(_CELL * n) + 0.5) / _CELL for n in self._cells.shape)
        canvas = Canvas(image, x, y[::-1])
        canvas.disc(self._goal, self.distance_threshold, (255, 205, 205))
        canvas.disc(self._position, 0.1, (30, 60, 160))
        for marker in self._markers:
            canvas.marker(marker, self.distance_threshold)
        self._markers = ()
        return image

    def show_markers(self, markers: Sequence[Marker]) -> None:
        """
        Draw markers in the next picture.

        :param markers: their third coordinate has no meaning here
        """
        self._markers = markers

    def _place(self, cells: np.ndarray) -> np.ndarray:
        """Draw a place in one of the cells."""
        return self.np_random.choice(cells) + self.np_random.uniform(0.1, 0.9, 2)

    def _is_inside(self, position: np.ndarray) -> bool:
        x, y = int(np.floor(position[0])), int(np.floor(position[1]))
        width, height = self._is_free.shape
        return 0 <= x < width and 0 <= y < height and bool(self._is_free[x, y])

    def _observe(self) -> Observation:
        position = self._position.astype(np.float32)
        return {
            "observation": position,
            "achieved_goal": position.copy(),
            "desired_goal": self._goal.astype(np.float32),
        }
