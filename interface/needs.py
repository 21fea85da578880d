"""
Which environment an algorithm needs, declared next to the algorithm.

>>> from gymnasium import spaces
>>> @needs(action_spaces=(spaces.Discrete,))
... class Tabular: ...
>>> misfit(needs_of(Tabular), spaces.Box(0, 1), spaces.Box(0, 1))
'a Discrete action space, got Box'
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gymnasium import spaces

GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")

Target = TypeVar("Target", bound=Callable[..., Any])


@dataclass(frozen=True)
class Needs:
    """
    Requirements on an environment.

    :param action_spaces: kinds of action space that fit; empty if any does
    :param goals: whether observations must be a Dict with the three goal keys
    :param rewards_goals: whether it computes rewards of other goals, which must be as the
        environment's
    """

    action_spaces: tuple[type[spaces.Space], ...] = ()
    goals: bool = False
    rewards_goals: bool = False


def needs(
    *,
    action_spaces: tuple[type[spaces.Space], ...] = (),
    goals: bool = False,
    rewards_goals: bool = False,
) -> Callable[[Target], Target]:
    """
    Declare what an algorithm needs; decorates a class or a factory function.

    :param action_spaces: kinds of action space that fit; empty if any does
    :param goals: whether the environment must have goals
    :param rewards_goals: whether the algorithm computes rewards of other goals
    """

    def declare(target: Target) -> Target:
        target.needs = Needs(action_spaces, goals, rewards_goals)  # type: ignore[attr-defined]
        return target

    return declare


def needs_of(target: Callable[..., Any]) -> Needs:
    """
    Read an algorithm's declaration.

    :param target: a class or a factory function
    :return: its needs; no needs if it declares none
    """
    return getattr(target, "needs", Needs())


def has_goals(observation_space: spaces.Space) -> bool:
    """
    Tell whether observations carry goals.

    :param observation_space: of the environment
    """
    return isinstance(observation_space, spaces.Dict) and set(GOAL_KEYS) <= set(observation_space)


def misfit(
    needed: Needs, observation_space: spaces.Space, action_space: spaces.Space
) -> str | None:
    """
    Tell what an environment lacks.

    :param needed: what the algorithm declares
    :param observation_space: of the environment
    :param action_space: of the environment
    :return: "what is needed, got what" as half a sentence, None if the environment fits
    """
    if needed.goals and not has_goals(observation_space):
        got = type(observation_space).__name__
        return f"Dict observations with {', '.join(GOAL_KEYS)}, got {got}"
    if needed.rewards_goals:
        assert isinstance(observation_space, spaces.Dict)
        achieved, desired = (observation_space[key].shape for key in GOAL_KEYS[1:])
        if achieved != desired:
            return (
                f"achieved and desired goals of one shape, got achieved_goal {achieved} and "
                f"desired_goal {desired}"
            )
    if needed.action_spaces and not isinstance(action_space, needed.action_spaces):
        kinds = " or ".join(space.__name__ for space in needed.action_spaces)
        return f"a {kinds} action space, got {type(action_space).__name__}"
    return None


_OBSERVED = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


def unreadable(space: spaces.Space, what: str) -> str | None:
    """
    Tell why a space can be read by no network of SB3.

    :param space: of an environment
    :param what: ``observation`` or ``action``
    :return: half a sentence, None if it can be read
    """
    if what == "observation" and isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            if not isinstance(part, _OBSERVED):
                return f"a {type(part).__name__} in its Dict observations (key {key})"
        return None
    if not isinstance(space, _OBSERVED):
        return f"{type(space).__name__} {what}s"
    if what == "action" and isinstance(space, spaces.Box) and not space.is_bounded("both"):
        return "actions without bounds"
    return None
