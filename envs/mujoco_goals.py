"""What the MuJoCo environments of the HAC paper share: goals with a threshold per dimension."""

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.mujoco_env import MujocoEnv

from envs.point_reach import Observation

ASSETS = Path(__file__).resolve().parent / "assets"


class ThresholdGoals(MujocoEnv):
    """
    A simulation whose goal is reached within a threshold in every dimension.

    The reward is 0 where it is, else -1; the episode ends only by truncation. An environment
    says what it observes and achieves, and where episodes begin.

    :param model_path: MuJoCo's XML
    :param frame_skip: simulation steps per action
    :param goal_low: least value of each dimension of a goal
    :param goal_high: greatest value of each
    :param thresholds: distance within which a dimension is reached
    :param render_mode: as in Gymnasium
    """

    metadata = {"render_modes": ["human", "rgb_array"]}  # noqa: RUF012 (Gymnasium's)

    def __init__(
        self,
        model_path: str | Path,
        frame_skip: int,
        goal_low: Any,
        goal_high: Any,
        thresholds: Any,
        render_mode: str | None = None,
    ) -> None:
        self.thresholds = np.asarray(thresholds, np.float64)
        self._goal = np.zeros(len(self.thresholds))
        super().__init__(str(model_path), frame_skip, None, render_mode)
        goals = self._goals = spaces.Box(
            np.array(goal_low, np.float64), np.array(goal_high, np.float64), dtype=np.float64
        )
        seen = spaces.Box(-np.inf, np.inf, self._observation().shape, np.float64)
        self.observation_space = spaces.Dict(
            {"observation": seen, "achieved_goal": goals, "desired_goal": goals}
        )

    def step(  # type: ignore[override]
        self, action: Any
    ) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Apply the action for ``frame_skip`` simulation steps."""
        self.do_simulation(action, self.frame_skip)
        observation = self._observe()
        reward = float(self.compute_reward(observation["achieved_goal"], self._goal, {}))
        if self.render_mode == "human":
            self.render()  # type: ignore[no-untyped-call]
        return observation, reward, False, False, {"is_success": reward == 0}

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> Any:  # noqa: ARG002
        """
        Reward goals, one or a whole batch.

        :param achieved_goal: (..., G)
        :param desired_goal: (..., G)
        :param info: not used
        :return: (...,), 0 where the goal is reached in every dimension, else -1
        """
        near = np.abs(achieved_goal - desired_goal) <= self.thresholds
        return near.all(axis=-1).astype(np.float32) - 1

    def reset_model(self) -> Any:
        """Begin an episode."""
        qpos, qvel, self._goal = self._draw_start()
        self.set_state(qpos, qvel)  # type: ignore[no-untyped-call]
        return self._observe()

    def _observe(self) -> Observation:
        return {
            "observation": self._observation(),
            "achieved_goal": np.clip(self._achieved(), self._goals.low, self._goals.high),
            "desired_goal": self._goal.copy(),
        }

    def _observation(self) -> np.ndarray:
        """Observe positions, then velocities."""
        return np.concatenate([self.data.qpos, self.data.qvel])

    def _achieved(self) -> np.ndarray:
        raise NotImplementedError

    def _draw_start(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw positions, velocities and a goal."""
        raise NotImplementedError
