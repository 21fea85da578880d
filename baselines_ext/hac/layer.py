"""Layers: a learner each, its goals, and how many actions it has for one; how they are made."""

import copy
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from gymnasium import spaces
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from baselines_ext.hac.goal_space import GoalSpace, SubgoalSpace
from baselines_ext.hac.transitions import HacSampler, HindsightRelabelling, SubgoalTesting
from baselines_ext.learners.actor_critic import LeanActorCritic
from baselines_ext.replay.samplers import refuse_another_sampler
from baselines_ext.replay.store import ReplayStore
from interface.errors import unknown_name
from interface.signatures import arguments_of

LearnerMaker = Callable[..., LeanActorCritic]


@dataclass
class Layer:
    """
    One layer.

    :param learner: acts and learns
    :param goals: of this layer
    :param time_scale: actions that it has for a goal
    """

    learner: LeanActorCritic
    goals: GoalSpace
    time_scale: int

    @property
    def store(self) -> ReplayStore:
        """What the layer has seen."""
        return self.learner.replay_buffer.store

    def train(self, num_timesteps: int, n_envs: int, progress_remaining: float) -> None:
        """
        Make the gradient steps that are due.

        :param num_timesteps: steps made in all environments
        :param n_envs: environments stepped together
        :param progress_remaining: share of the training to come, for schedules
        """
        learner = self.learner
        every = learner.train_freq.frequency * n_envs  # type: ignore[union-attr]
        due = num_timesteps % every == 0 and num_timesteps > learner.learning_starts
        if due and self.store.n_transitions > 0:
            learner._current_progress_remaining = progress_remaining
            n_steps = learner.gradient_steps if learner.gradient_steps > 0 else every
            learner.update(n_steps, learner.batch_size)


class LayerEnv(gym.Env):
    """
    The spaces that a layer's learner works with; it is never stepped.

    :param observations: of the environment
    :param goals: of the layer
    :param actions: of the layer
    """

    def __init__(self, observations: spaces.Dict, goals: spaces.Space, actions: spaces.Space):
        self.observation_space = spaces.Dict(
            {**observations, "achieved_goal": goals, "desired_goal": goals}
        )
        self.action_space = actions


def resolve_time_scales(
    time_scales: Sequence[int], n_layers: int, max_episode_steps: int | None
) -> list[int]:
    """
    Check time scales and fill in the one that is left open.

    :param time_scales: one per layer, highest first; one of them may be -1: as many as fit into
        the episode
    :param n_layers: number of layers
    :param max_episode_steps: of the environment, None if its episodes are not truncated
    :return: the numbers of actions, at least 1 each
    :raises ValueError: if they do not fit the layers or the episode
    """
    scales = list(time_scales)
    if len(scales) != n_layers:
        raise ValueError(f"time_scales={scales} has {len(scales)} entries for {n_layers} layers")
    if any(scale == 0 or scale < -1 for scale in scales):
        raise ValueError(f"time_scales={scales}: each must be at least 1, or -1 for one of them")
    if scales.count(-1) > 1:
        raise ValueError(f"time_scales={scales}: only one can be -1")
    if max_episode_steps is None:
        if -1 in scales:
            raise ValueError(f"time_scales={scales}: without max_episode_steps none can be -1")
        return scales
    others = math.prod(scale for scale in scales if scale != -1)
    if others > max_episode_steps:
        product = " * ".join(str(scale) for scale in scales if scale != -1)
        raise ValueError(
            f"time_scales={scales}: {product} = {others} is more than the {max_episode_steps} "
            f"steps of an episode"
        )
    return [max_episode_steps // others if scale == -1 else scale for scale in scales]


def choose_learners(
    learners: Mapping[str, LearnerMaker],
    layer_classes: Sequence[str],
    layer_arguments: Mapping[str, Mapping[str, Any]],
    shared: Mapping[str, Any],
) -> list[functools.partial[LeanActorCritic]]:
    """
    Find the constructor of each layer's learner, and give it what the layer does differently.

    :param learners: by name
    :param layer_classes: a name for each layer, highest first
    :param layer_arguments: by ``layer_0``, ``layer_1``, ...; values that are None are left out
    :param shared: arguments of all learners
    :raises ValueError: for an unknown learner, layer or argument, or another sampler
    """
    layers = [f"layer_{index}" for index in range(len(layer_classes))]
    arguments: dict[str, dict[str, Any]] = {layer: {} for layer in layers}
    for layer, values in layer_arguments.items():
        own = {key: value for key, value in values.items() if value is not None}
        if own and layer not in layers:
            raise ValueError(f"layer_arguments.{layer}={own}, but the layers are {layers}")
        arguments[layer] = own
    makers = []
    for layer, name in zip(layers, layer_classes, strict=True):
        if name not in learners:
            raise unknown_name("learner in layer_classes", name, learners)
        given = copy.deepcopy(dict(shared))  # SB3 writes into policy_kwargs
        make = functools.partial(learners[name], **(given | arguments[layer]))
        for key in arguments[layer]:
            if key not in arguments_of(make.func):
                raise ValueError(f"layer_arguments.{layer}.{key}: {name} has no {key}")
        refuse_another_sampler("hac", make)
        makers.append(make)
    return makers


def make_layers(
    env: VecEnv,
    goals: GoalSpace,
    subgoal_space: SubgoalSpace,
    time_scales: Sequence[int],
    learners: Sequence[functools.partial[LeanActorCritic]],
    relabelling: HindsightRelabelling,
    testing: SubgoalTesting,
    seed: int | None,
) -> list[Layer]:
    """
    Make layers; the actions of each are goals of the next, the last one's go to the environment.

    :param env: of the agent
    :param goals: of the environment
    :param subgoal_space: says what the goals of lower layers are
    :param time_scales: of the layers, highest first
    :param learners: constructors of the layers
    :param relabelling: of all layers
    :param testing: of subgoals
    :param seed: of the first layer, the others count on; None for random ones
    :raises ValueError: if a learner cannot be one of a layer
    """
    assert isinstance(env.observation_space, spaces.Dict)
    n_layers = len(time_scales)
    pursued = [goals]
    if n_layers > 1:
        subgoals = subgoal_space(env, goals)
        steps = (math.prod(time_scales[index:]) for index in range(1, n_layers))
        pursued += [subgoals.within(n_steps) for n_steps in steps]
    actions = [*(each.box for each in pursued[1:]), env.action_space]
    layers = []
    for index, (make, time_scale) in enumerate(zip(learners, time_scales, strict=True)):
        space = functools.partial(
            LayerEnv, env.observation_space, pursued[index].box, actions[index]
        )
        target_range = make.keywords.get("target_range") or (-time_scale, 0)
        tested = None if index + 1 == n_layers else testing
        sampler = HacSampler(pursued[index], relabelling, tested, penalty=target_range[0])
        learner = make(
            "MultiInputPolicy",
            DummyVecEnv([space] * env.num_envs),
            sampler=sampler,
            seed=None if seed is None else seed + index,
            target_range=target_range,
        )
        _check(learner, index)
        layers.append(Layer(learner, pursued[index], time_scale))
    return layers


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
        name = type(learner).__name__
        raise ValueError(f"layer {index} must be sac, td3, ddpg or one like them, got {name}")
    assert isinstance(learner.train_freq, TrainFreq)
    if learner.train_freq.unit is not TrainFrequencyUnit.STEP:
        raise ValueError(f"layer {index}: train_freq must count steps, got {learner.train_freq}")
