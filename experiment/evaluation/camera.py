"""Watch an agent play: pictures, its subgoals in them, and the numbers of each step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm

from envs.episode_recorder import goal_distance
from envs.markers import Marker, goal_positions, show_markers
from envs.success import SUCCESS_KEY
from envs.view import look
from experiment.evaluation.film_strip import StepNumbers
from experiment.evaluation.legend import goal_marker, subgoal_marker
from interface.abilities import Acts, ReadsInputs, ShowsSubgoals
from interface.errors import UserError

# environment, its picture (height, width, 3), what is marked there, numbers of the episode's steps
Sink = Callable[[gym.Env, np.ndarray, Sequence[Marker], Sequence[StepNumbers]], None]


class Watched:
    """
    An agent whose last decision can be looked at.

    :param model: the agent; the value of its decisions is known if it is an algorithm of SB3
    :param asks_critics: for that value
    """

    def __init__(self, model: Acts, asks_critics: bool = True) -> None:
        self._model = model
        self._asks_critics = asks_critics
        self.subgoals: Sequence[np.ndarray] = ()
        """Of the last decision, the highest layer's first."""
        self.q: float | None = None
        """The critics' smallest value of the last decision."""

    def predict(self, observation: Any, *args: Any, **kwargs: Any) -> tuple[np.ndarray, Any]:
        """Choose as the agent does, and remember why."""
        action, state = self._model.predict(observation, *args, **kwargs)
        if isinstance(self._model, ShowsSubgoals):
            self.subgoals = self._model.subgoals(state)[0]
        self.q = self._value(observation, action) if self._asks_critics else None
        return action, state

    def _value(self, observation: Any, action: np.ndarray) -> float | None:
        model, critic = self._model, getattr(self._model, "critic", None)
        if critic is None or not isinstance(model, BaseAlgorithm):
            return None
        if not isinstance(model.action_space, gym.spaces.Box):
            return None
        with th.no_grad():
            if isinstance(model, ReadsInputs):
                observation = model.inputs.of_observation(observation)
            seen, _ = model.policy.obs_to_tensor(observation)
            scaled = model.policy.scale_action(action)
            chosen = th.as_tensor(scaled, dtype=th.float32, device=model.device)
            values = critic(seen, chosen)
            if isinstance(values, th.Tensor):  # TQC: (1, critics, quantiles)
                values = [values.mean(dim=2)]
            return float(th.cat(values, dim=1).min())


class Camera(gym.Wrapper):
    """
    Hand the picture after each reset and step to a function.

    :param env: with a render mode
    :param agent: that acts in it
    :param view: from where, see ``envs.view.look``
    :param sink: takes pictures and numbers
    :param n_episodes: after which nothing is handed over: vectorised environments reset once more
    """

    def __init__(
        self, env: gym.Env, agent: Watched, view: Mapping[str, Any], sink: Sink, n_episodes: int
    ) -> None:
        super().__init__(env)
        self._agent = agent
        self._view = view
        self._sink = sink
        self._left = n_episodes
        self._steps: list[StepNumbers] = []

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """
        Reset, and hand over the first picture; subgoals come with the first decision.

        :raises UserError: if a view is asked for of what MuJoCo does not draw
        """
        observation, info = self.env.reset(**kwargs)
        chosen = [key for key, value in self._view.items() if value is not None]
        if not look(self.env, self._view) and chosen:
            raise UserError(f"MuJoCo does not draw it, so render.camera.{chosen[0]} has no effect")
        self._steps = [self._numbers(observation, {}, ())]
        self._hand_over(observation, ())
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and hand over the picture."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        subgoals = self._agent.subgoals
        self._steps.append(self._numbers(observation, info, subgoals))
        self._hand_over(observation, subgoals)
        self._left -= terminated or truncated
        return observation, reward, terminated, truncated, info

    def _hand_over(self, observation: Any, subgoals: Sequence[np.ndarray]) -> None:
        if self._left <= 0:
            return
        markers = self._markers(observation, subgoals)
        is_shown = show_markers(self.env, markers)
        frame = self.env.render()
        if isinstance(frame, np.ndarray):
            self._sink(self.env, frame, markers if is_shown else (), self._steps)

    def _markers(self, observation: Any, subgoals: Sequence[np.ndarray]) -> list[Marker]:
        """Mark subgoals, and the goal if it is one place: fingertips have colours of their own."""
        has_goal = _has_goal(observation)
        places = goal_positions(self.env, observation["desired_goal"]) if has_goal else []
        goals = [goal_marker(place) for place in places if len(places) == 1]
        return goals + [
            subgoal_marker(layer, position)
            for layer, subgoal in enumerate(subgoals)
            for position in goal_positions(self.env, subgoal)
        ]

    def _numbers(
        self, observation: Any, info: dict[str, Any], subgoals: Sequence[np.ndarray]
    ) -> StepNumbers:
        has_goal = _has_goal(observation)
        achieved = observation["achieved_goal"] if has_goal else None
        return StepNumbers(
            success=bool(info[SUCCESS_KEY]) if SUCCESS_KEY in info else None,
            goal_distance=goal_distance(observation) if has_goal else None,
            subgoals_reached=[self._reached(achieved, goal) for goal in subgoals],
            q=self._agent.q if info else None,
        )

    def _reached(self, achieved: Any, goal: np.ndarray) -> bool | None:
        """Ask whether the environment pays for a subgoal as for the goal; None: it cannot."""
        if achieved is None or achieved.shape != goal.shape:
            return None
        compute_reward = self.get_wrapper_attr("compute_reward")
        return bool(compute_reward(achieved, goal, {}) >= compute_reward(goal, goal, {}))


def _has_goal(observation: Any) -> bool:
    return isinstance(observation, dict) and "desired_goal" in observation
