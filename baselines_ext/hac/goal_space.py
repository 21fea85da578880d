"""What goals are: where they lie, which action means which, when observations reach them."""

import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from baselines_ext.replay.samplers import RewardFunction
from interface.errors import UserError

log = logging.getLogger(__name__)

Observations = Mapping[str, np.ndarray]
"""Of environments that are stepped together, by key: (n, ...)."""

_GIVE_BOUNDS = (
    "a second environment tells the bounds of subgoals; else give the goal space bounds, or "
    "algorithm.subgoal_space.indices, low, high and thresholds"
)


@dataclass
class GoalSpace:
    """
    The goals of a layer.

    A goal is also the action of the layer above, in [-1, 1]: a place in the box or, in dimensions
    with a reach, the way there from what is achieved where the action begins.

    :param box: where they lie
    :param achieved: from observations of environments to the goals that they achieve, (n, G)
    :param reached: from achieved goals (..., G) and desired goals (..., G) to truth values (...)
    :param reach: (G,) farthest way in each dimension, inf: anywhere in the box; None: all inf
    :param whole: whether goals are whole numbers
    """

    box: spaces.Box
    achieved: Callable[[Observations], np.ndarray]
    reached: Callable[[np.ndarray, np.ndarray], Any]
    reach: np.ndarray | None = None
    whole: bool = False

    def within(self, n_steps: int) -> "GoalSpace":
        """
        Take the reach for that of one step, and say what can be reached within several.

        :param n_steps: of the environment
        """
        return self if self.reach is None else replace(self, reach=n_steps * self.reach)

    def reward(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """
        Reward goals.

        :param achieved: (N, G)
        :param desired: (N, G)
        :return: (N,), 0 where a goal is reached, else -1
        """
        return np.asarray(self.reached(achieved, desired), np.float32) - 1

    def to_goal(self, action: np.ndarray, start: np.ndarray) -> np.ndarray:
        """
        Read actions as goals.

        :param action: (..., G) in [-1, 1]
        :param start: (..., G) achieved where the action begins
        """
        goal = unscaled(self.box, action)
        if self.reach is not None:
            way = np.where(np.isfinite(self.reach), self.reach, 0) * action
            near = np.clip(start + way, self.box.low, self.box.high)
            goal = np.where(np.isfinite(self.reach), near, goal).astype(np.float32)
        return np.rint(goal) if self.whole else goal

    def to_action(self, goal: np.ndarray, start: np.ndarray) -> np.ndarray:
        """
        Say which actions mean goals, or the nearest to them that there are.

        :param goal: (..., G)
        :param start: (..., G) achieved where the action begins
        """
        action = scaled(self.box, goal)
        if self.reach is None:
            return action
        way = np.clip((goal - start) / self.reach, -1, 1)
        return np.where(np.isfinite(self.reach), way, action).astype(np.float32)


def scaled(box: spaces.Box, values: np.ndarray) -> np.ndarray:
    """
    Scale values to [-1, 1]; what lies outside the box is put on its border.

    :param box: bounded
    :param values: (..., A)
    """
    width = np.maximum(box.high - box.low, np.finfo(np.float32).tiny)  # of what never differs: 0
    return np.clip(2 * (values - box.low) / width - 1, -1, 1).astype(np.float32)


def unscaled(box: spaces.Box, values: np.ndarray) -> Any:
    """
    Undo ``scaled``.

    :param box: bounded
    :param values: (..., A) in [-1, 1]
    """
    return (box.low + 0.5 * (values + 1) * (box.high - box.low)).astype(np.float32)


SubgoalSpace = Callable[[VecEnv, GoalSpace], GoalSpace]
"""From environments and the space of their own goals to that of subgoals."""


def goals_of(env: VecEnv, compute_reward: RewardFunction) -> GoalSpace:
    """
    Describe the goals of an environment.

    A goal is reached where the environment pays what it pays for the goal itself. Layers see goals
    as vectors of floats, whatever their shape and type in the environment.

    :param env: with goals and sparse rewards
    :param compute_reward: of batches
    :raises ValueError: if the achieved goals are others, or goals are no numbers
    """
    assert isinstance(env.observation_space, spaces.Dict)
    space = env.observation_space["desired_goal"]
    there = env.observation_space["achieved_goal"]
    if there.shape != space.shape:
        raise ValueError(
            f"achieved goals must have the shape of desired ones, got {there.shape} and "
            f"{space.shape}"
        )
    whole = not any(np.issubdtype(each.dtype, np.floating) for each in (space, there))
    batch_shape = (-1, *(space.shape or ()))
    best: Any = None

    def reached(achieved: np.ndarray, desired: np.ndarray) -> Any:
        nonlocal best
        pairs = achieved.reshape(batch_shape), desired.reshape(batch_shape)
        if whole:
            pairs = tuple(np.rint(each).astype(space.dtype) for each in pairs)
        if best is None:
            best = compute_reward(pairs[1][:1], pairs[1][:1])
        return (compute_reward(*pairs) >= best).reshape(desired.shape[:-1])

    return GoalSpace(_as_box(space), vectors_of, reached, whole=whole)


def vectors_of(observations: Observations, key: str = "achieved_goal") -> np.ndarray:
    """
    Read vectors whose differences are right, which those of bytes are not.

    :param observations: of environments
    :param key: of what is read
    :return: (n, G) floats
    """
    values = observations[key]
    flat = values.reshape(len(values), -1)
    return flat if np.issubdtype(flat.dtype, np.floating) else flat.astype(np.float32)


def _as_box(space: spaces.Space) -> spaces.Box:
    """Say between which vectors of floats goals lie."""
    if isinstance(space, spaces.Box):
        low, high = space.low, space.high
    elif isinstance(space, spaces.MultiBinary):
        low, high = np.zeros(space.shape), np.ones(space.shape)
    elif isinstance(space, spaces.MultiDiscrete):
        low, high = space.start, space.start + space.nvec - 1
    elif isinstance(space, spaces.Discrete):
        low, high = np.asarray(space.start), np.asarray(space.start + space.n - 1)
    else:
        raise ValueError(f"goals must be numbers, got {space}")
    return spaces.Box(np.ravel(low).astype(np.float32), np.ravel(high).astype(np.float32))


def find_subgoals(
    env: VecEnv,
    goals: GoalSpace,
    indices: Sequence[int] | None = None,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    thresholds: Sequence[float] | None = None,
    n_resets: int = 200,
    margin: float = 0.1,
    reach: float | Sequence[float | None] | None = None,
) -> GoalSpace:
    """
    Find what subgoals are: the environment's goals, or a part of the observation.

    :param env: with goals
    :param goals: its own
    :param indices: of ``observed_goals``; None: the environment's goals
    :param low: of ``observed_goals``
    :param high: of ``observed_goals``
    :param thresholds: of ``observed_goals``
    :param n_resets: of ``env_goals``
    :param margin: of ``env_goals``
    :param reach: of ``reaching``
    """
    if indices is None:
        for name, values in (("low", low), ("high", high), ("thresholds", thresholds)):
            if values is not None:
                raise ValueError(
                    f"subgoal_space.{name}={list(values)} goes with subgoal_space.indices, which "
                    f"are not given"
                )
        found = env_goals(env, goals, n_resets, margin)
    else:
        found = observed_goals(env, goals, indices, low or [], high or [], thresholds or [])
    return found if reach is None else reaching(found, reach)


def reaching(goals: GoalSpace, reach: float | Sequence[float | None]) -> GoalSpace:
    """
    Propose subgoals by the way to them.

    :param goals: of a layer
    :param reach: farthest that the agent gets with one step of the environment, in each dimension
        or in all of them; None: subgoals may lie anywhere in this dimension
    :raises ValueError: if these are too many or too few, or not positive
    """
    (width,) = goals.box.shape
    given = [reach] * width if isinstance(reach, int | float) else list(reach)
    farthest = np.array([np.inf if each is None else each for each in given], np.float64)
    if len(farthest) != width or not (farthest > 0).all():
        raise ValueError(
            f"the reach of subgoals must be one positive number, or one for each of their {width} "
            f"dimensions (null: any), got {reach}"
        )
    return replace(goals, reach=farthest)


def env_goals(env: VecEnv, goals: GoalSpace, n_resets: int, margin: float) -> GoalSpace:
    """
    Take the environment's goals for subgoals; find bounds where it declares none.

    :param env: to ask for goals
    :param goals: its own
    :param n_resets: episodes whose first goals tell the bounds
    :param margin: put around what was found, as a share of its width
    """
    if goals.box.is_bounded():
        return goals
    seen = np.stack(_goals_of_resets(env, n_resets))
    low, high = seen.min(axis=0), seen.max(axis=0)
    widths = np.maximum(high - low, 1e-3)
    low, high = (
        (low - margin * widths).astype(np.float32),
        (high + margin * widths).astype(np.float32),
    )
    log.info("subgoals lie between %s and %s", np.round(low, 3), np.round(high, 3))
    return replace(goals, box=spaces.Box(low, high))


def _goals_of_resets(env: VecEnv, n_resets: int) -> list[np.ndarray]:
    """Reset a fresh copy of the environment: training goes on undisturbed."""
    spec = env.get_attr("spec")[0]
    if spec is None:
        raise ValueError(f"the environment was not made by Gymnasium; {_GIVE_BOUNDS}")
    known = tuple(one for one in spec.additional_wrappers if one.kwargs is not None)
    try:
        copy = gym.make(replace(spec, additional_wrappers=known), disable_env_checker=True)
        with contextlib.closing(copy):
            _check_same_goals(env, copy)
            return [
                goal for seed in range(n_resets) for goal in _goals_of(copy.reset(seed=seed)[0])
            ]
    except UserError:
        raise
    except Exception as error:  # of somebody else's code
        raise ValueError(
            f"a second {spec.id} cannot be reset with the seeds from 0 to {n_resets - 1} "
            f"({type(error).__name__}: {error}); {_GIVE_BOUNDS}"
        ) from error


def _check_same_goals(env: VecEnv, copy: gym.Env) -> None:
    assert isinstance(env.observation_space, spaces.Dict)
    space = copy.observation_space
    if not isinstance(space, spaces.Dict) or (
        space["desired_goal"].shape != env.observation_space["desired_goal"].shape
    ):
        raise UserError(
            f"a wrapper changes the goals of {copy.spec and copy.spec.id} but is no "
            f"gymnasium.utils.RecordConstructorArgs; make it one: {_GIVE_BOUNDS}"
        )


def _goals_of(observation: Mapping[str, Any]) -> list[np.ndarray]:
    keys = ("achieved_goal", "desired_goal")
    return [vectors_of({key: np.array(observation[key])[None]}, key)[0] for key in keys]


def observed_goals(
    env: VecEnv,
    goals: GoalSpace,  # noqa: ARG001
    indices: Sequence[int],
    low: Sequence[float],
    high: Sequence[float],
    thresholds: Sequence[float],
) -> GoalSpace:
    """
    Take a part of the observation for subgoals, e.g. positions and velocities.

    :param env: with Dict observations
    :param goals: its own, not used
    :param indices: of the numbers of ``observation`` that make a subgoal
    :param low: least value of each
    :param high: greatest value of each
    :param thresholds: a subgoal is reached within them in every dimension
    :raises ValueError: if these do not fit together, or the observation
    """
    assert isinstance(env.observation_space, spaces.Dict)
    lengths = [len(values) for values in (indices, low, high, thresholds)]
    if len(set(lengths)) > 1:
        raise ValueError(
            "indices, low, high and thresholds of subgoals must be equally long, got "
            + ", ".join(map(str, lengths))
        )
    width = math.prod(env.observation_space["observation"].shape or ())
    if not all(0 <= index < width for index in indices):
        raise ValueError(f"subgoal indices {list(indices)} do not fit {width} observed numbers")
    taken, near = np.array(indices), np.array(thresholds)
    box = spaces.Box(np.array(low, np.float32), np.array(high, np.float32))
    return GoalSpace(
        box,
        lambda observations: vectors_of(observations, "observation")[:, taken],
        lambda achieved, desired: (np.abs(achieved - desired) <= near).all(axis=-1),
    )
