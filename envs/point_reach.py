"""A goal environment that is learned in seconds, for tests and first experiments."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs.drawing import Canvas
from envs.markers import Marker

Observation = dict[str, np.ndarray]

_MOVES = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], dtype=np.float32)


class PointReach(gym.Env):
    """
    Move a point in the square [-1, 1]^2 to a goal; numpy only, no physics.

    Observations and goals are positions (2,). A continuous action (2,) in [-1, 1] is a velocity;
    a discrete one stays or moves along an axis. The reward is 0 within ``distance_threshold`` of
    the goal, else -1; the episode ends only by truncation, as in the Fetch environments.

    :param discrete: five discrete actions instead of velocities
    :param step_size: distance moved at full velocity, as a fraction of the unit
    :param distance_threshold: the goal's radius
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's)

    def __init__(
        self,
        *,
        discrete: bool = False,
        step_size: float = 0.2,
        distance_threshold: float = 0.15,
        render_mode: str | None = None,
    ) -> None:
        self.render_mode = render_mode
        self.step_size = step_size
        self.distance_threshold = distance_threshold
        square = spaces.Box(-1, 1, (2,), np.float32)
        self.observation_space = spaces.Dict(
            {"observation": square, "achieved_goal": square, "desired_goal": square}
        )
        self.action_space = spaces.Discrete(len(_MOVES)) if discrete else square
        self._position = self._goal = np.zeros(2, np.float32)
        self._markers: Sequence[Marker] = ()

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> tuple[Observation, dict[str, Any]]:
        """Start anywhere, with a goal that is not reached yet."""
        super().reset(seed=seed)
        self._position = self._sample_position()
        self._goal = self._sample_position()
        while self._distance(self._position, self._goal) <= self.distance_threshold:
            self._goal = self._sample_position()
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move; walls stop the point."""
        discrete = isinstance(self.action_space, spaces.Discrete)
        velocity = _MOVES[action] if discrete else np.clip(action, -1, 1)
        moved = self._position + self.step_size * velocity
        self._position = np.clip(moved, -1, 1).astype(np.float32)
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
        reached = self._distance(achieved_goal, desired_goal) <= self.distance_threshold
        return reached.astype(np.float32) - 1

    def render(self) -> np.ndarray:
        """Draw the disc where the goal is reached, the point and markers, (480, 480, 3)."""
        axis = np.linspace(-1, 1, 480)
        image = np.full((480, 480, 3), 255, np.uint8)
        image[[0, -1]] = image[:, [0, -1]] = 160
        canvas = Canvas(image, axis, -axis)
        canvas.disc(self._goal, self.distance_threshold, (255, 205, 205))
        canvas.disc(self._position, 0.04, (30, 60, 160))
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

    def _sample_position(self) -> np.ndarray:
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)

    @staticmethod
    def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.linalg.norm(a - b, axis=-1)

    def _observe(self) -> Observation:
        return {
            "observation": self._position.copy(),
            "achieved_goal": self._position.copy(),
            "desired_goal": self._goal.copy(),
        }
