"""Hindsight Experience Replay (https://arxiv.org/abs/1707.01495) over any off-policy learner."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from baselines_ext.replay.hindsight import Hindsight
from baselines_ext.replay.reward import check_sparse, reward_function
from baselines_ext.replay.samplers import refuse_another_sampler
from interface.needs import needs
from interface.ranges import at_least


@needs(goals=True, rewards_goals=True)
def make_her(
    policy: str,
    env: VecEnv,
    learners: Mapping[str, Callable[..., OffPolicyAlgorithm]],
    layer_classes: Sequence[str] = ("sac",),
    n_sampled_goal: Annotated[int, at_least(0)] = 4,
    goal_selection_strategy: str = "future",
    goals_terminate: bool = False,
    n_candidates: int = 1,
    **arguments: Any,
) -> OffPolicyAlgorithm:
    """
    Make a learner that also learns from the goals it reached by accident.

    :param policy: of the learner
    :param env: a goal environment
    :param learners: by name, constructors that still need policy and environment
    :param layer_classes: exactly one name of ``learners``
    :param n_sampled_goal: relabelled transitions per real one, at least 0
    :param goal_selection_strategy: ``future``, ``final`` or ``episode``
    :param goals_terminate: no rewards are counted on after a goal is reached, as in ``hac``; for
        sparse rewards
    :param n_candidates: for each relabelled transition, at least 1; those whose goal is not yet
        reached where they begin are taken first; for sparse rewards
    :param arguments: further arguments of the learner
    :return: the learner itself, an ordinary SB3 algorithm
    :raises ValueError: if there is no such strategy, or not exactly one layer, or rewards are dense
        where they must be sparse
    """
    if len(layer_classes) != 1:
        raise ValueError(f"her has one layer, got layer_classes={list(layer_classes)}")
    if goals_terminate or n_candidates > 1:
        name = "goals_terminate" if goals_terminate else "n_candidates"
        check_sparse(f"her's {name}", env, reward_function(env))
    make = learners[layer_classes[0]]
    refuse_another_sampler("her", make)
    sampler = Hindsight(n_sampled_goal, goal_selection_strategy, n_candidates, goals_terminate)
    return make(policy, env, sampler=sampler, **arguments)
