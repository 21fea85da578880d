"""Make the layers that a config describes."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import DummyVecEnv

from baselines_ext.hac.goal_space import GoalSpace
from baselines_ext.hac.layer import Layer, LayerEnv
from baselines_ext.hac.sampler import HacSampler
from baselines_ext.learners.actor_critic import LeanActorCritic
from baselines_ext.replay.samplers import refuse_another_sampler
from interface.errors import unknown_name
from interface.parameters import arguments_of

LearnerMaker = Callable[..., LeanActorCritic]


def make_layers(agent: Any, time_scales: list[int]) -> list[Layer]:
    """
    Make the layers of an agent.

    :param agent: a ``HAC`` with its environment
    :param time_scales: resolved, highest layer first
    :raises ValueError: for learners or arguments that do not fit
    """
    n_layers = len(time_scales)
    names = [f"layer_{index}" for index in range(n_layers)]
    arguments = {
        name: {key: value for key, value in given.items() if value is not None}
        for name, given in agent.layer_arguments.items()
    }
    for name, given in arguments.items():
        if given and name not in names:
            raise ValueError(f"layer_arguments.{name}={given}, but the layers are {names}")
    subgoals = agent.subgoal_space(agent.env, agent.goals) if n_layers > 1 else agent.goals
    steps = [math.prod(time_scales[index:]) for index in range(n_layers)]
    goals = [agent.goals] + [subgoals.within(n_steps) for n_steps in steps[1:]]
    actions = [subgoals.box] * (n_layers - 1) + [agent.action_space]
    return [
        Layer(
            _make_learner(agent, index, goals[index], actions[index], time_scale, arguments),
            goals[index],
            time_scale,
        )
        for index, time_scale in enumerate(time_scales)
    ]


def _make_learner(
    agent: Any,
    index: int,
    goals: GoalSpace,
    actions: spaces.Box,
    time_scale: int,
    arguments: Mapping[str, Mapping[str, Any]],
) -> LeanActorCritic:
    name = agent.layer_classes[index]
    if name not in agent.learners:
        raise unknown_name("learner in layer_classes", name, agent.learners)
    make = agent.learners[name]
    refuse_another_sampler("hac", make)
    own = arguments.get(f"layer_{index}", {})
    for key in own:
        if key not in arguments_of(getattr(make, "func", make)):
            raise ValueError(f"layer_arguments.layer_{index}.{key}: {name} has no {key}")
    shared_range = getattr(make, "keywords", {}).get("target_range")
    target_range = own.get("target_range") or shared_range or (-time_scale, 0)
    env = functools.partial(LayerEnv, agent.observation_space, goals.box, actions)
    is_lowest = index == len(agent.layer_classes) - 1
    learner = make(
        "MultiInputPolicy",
        DummyVecEnv([env] * agent.n_envs),
        sampler=HacSampler(
            goals,
            agent.relabelling,
            testing=None if is_lowest else agent.subgoal_testing,
            penalty=target_range[0],
        ),
        policy_kwargs=dict(agent.policy_kwargs or {}),  # SB3 writes into it
        seed=None if agent.seed is None else agent.seed + index,
        device=agent.device,
        update=agent.update_mode,
        **{**own, "target_range": target_range},
    )
    _check(learner, index)
    return learner


def as_plain_partial(value: Any) -> Any:
    """
    Make a partial function that can be saved; those of Hydra cannot.

    :param value: anything; partial functions among the arguments of one are replaced, too
    """
    if not isinstance(value, functools.partial):
        return value
    keywords = {key: as_plain_partial(given) for key, given in value.keywords.items()}
    return functools.partial(value.func, *value.args, **keywords)


def _check(learner: Any, index: int) -> None:
    if not isinstance(learner, LeanActorCritic):
        raise ValueError(f"layer {index} must be sac, td3 or ddpg, got {type(learner).__name__}")
    assert isinstance(learner.train_freq, TrainFreq)
    if learner.train_freq.unit is not TrainFrequencyUnit.STEP:
        raise ValueError(f"layer {index}: train_freq must count steps, got {learner.train_freq}")


class LayerLogger(Logger):
    """
    Puts a layer's name into the keys of what its learner records.

    :param logger: of the agent
    :param index: of the layer
    """

    def __init__(self, logger: Logger, index: int) -> None:
        super().__init__(None, [])
        self._logger = logger
        self._prefix = f"train/layer_{index}/"

    def record(self, key: str, value: Any, exclude: str | tuple[str, ...] | None = None) -> None:
        """Record a value."""
        self._logger.record(self._prefix + key.removeprefix("train/"), value, exclude)
