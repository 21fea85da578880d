"""Translate the spaces that learners would misread, or cannot read at all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

_GOALS = ("achieved_goal", "desired_goal")


@dataclass(frozen=True)
class Translation:
    """
    How values of a space are read by a learner.

    :param space: that the learner sees
    :param there: from the environment's values to the learner's, single or in a batch
    :param back: from the learner's values to the environment's, single or in a batch
    """

    space: spaces.Space
    there: Callable[[Any], Any]
    back: Callable[[Any], Any]


def translation(space: spaces.Space) -> Translation | None:
    """
    Tell how to read a space; learners count from 0, and want vectors.

    :param space: of actions, of observations or of a part of them
    :return: None if learners read it as it is
    """
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete) and np.any(space.start != 0):
        start = space.start
        plain = (
            spaces.Discrete(int(space.n))
            if isinstance(space, spaces.Discrete)
            else spaces.MultiDiscrete(space.nvec)
        )
        return Translation(plain, lambda value: value - start, lambda value: value + start)
    if isinstance(space, spaces.Box) and space.shape == ():
        low, high = space.low.reshape(1), space.high.reshape(1)
        return Translation(
            spaces.Box(low, high, dtype=space.dtype.type),
            lambda value: np.asarray(value)[..., None],
            lambda value: np.asarray(value)[..., 0],
        )
    return None


class TranslatedActions(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """
    Take actions as learners give them: discrete ones count from 0, whole numbers are rounded here.

    :param env: the environment to wrap
    """

    def __init__(self, env: gym.Env) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        self._own: Any = env.action_space
        found = translation(self._own)
        self.action_space = self._own if found is None else found.space
        self._back: Callable[[Any], Any] = (lambda action: action) if found is None else found.back
        self.action_note = f"its actions are {self._own}; the agent, exported or not, counts from 0"
        """What a person should know of the agent's actions."""
        self._rounds = _is_whole(self._own)
        if isinstance(self.action_space, spaces.Box) and self._rounds:
            low, high = self.action_space.low, self.action_space.high
            self.action_space = spaces.Box(low.astype(np.float32), high.astype(np.float32))
            self.action_note = f"its actions are {self._own}; the agent's are rounded"

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step with the environment's own action."""
        action = self._back(action)
        if self._rounds:
            action = np.clip(np.rint(action), self._own.low, self._own.high).astype(self._own.dtype)
        return self.env.step(action)


def _is_whole(space: spaces.Space) -> bool:
    return isinstance(space, spaces.Box) and not np.issubdtype(space.dtype, np.floating)


class TranslatedObservations(gym.ObservationWrapper, gym.utils.RecordConstructorArgs):
    """
    Show observations as learners can read them, and reward goals that look so.

    :param env: the environment to wrap
    """

    def __init__(self, env: gym.Env) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        self._parts = _translations(env.observation_space)
        if isinstance(env.observation_space, spaces.Dict):
            parts = {key: part.space for key, part in self._parts.items()}
            self.observation_space = spaces.Dict({**env.observation_space.spaces, **parts})
        else:
            self.observation_space = self._parts[""].space
        if self._parts.keys() & set(_GOALS) and env.has_wrapper_attr("compute_reward"):
            self.compute_reward = self._reward_of_translated

    def observation(self, observation: Any) -> Any:
        """Translate what learners would misread."""
        if not isinstance(self.env.observation_space, spaces.Dict):
            return self._parts[""].there(observation)
        parts = {key: part.there(observation[key]) for key, part in self._parts.items()}
        return {**observation, **parts}

    def _reward_of_translated(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        compute_reward = self.env.get_wrapper_attr("compute_reward")
        goals = [
            self._parts[key].back(goal) if key in self._parts else goal
            for key, goal in zip(_GOALS, (achieved_goal, desired_goal), strict=True)
        ]
        return compute_reward(*goals, info)


def _translations(space: spaces.Space) -> dict[str, Translation]:
    """Find the parts of an observation that learners misread, by key."""
    parts = space.spaces if isinstance(space, spaces.Dict) else {"": space}
    found = {key: translation(part) for key, part in parts.items()}
    return {key: each for key, each in found.items() if each is not None}


def translated(env: gym.Env) -> gym.Env:
    """
    Wrap an environment where learners would misread its spaces; others stay as they are.

    :param env: with its own wrappers
    """
    if _translations(env.observation_space):
        env = TranslatedObservations(env)
    odd = _is_whole(env.action_space) or translation(env.action_space) is not None
    return TranslatedActions(env) if odd else env
