"""
How layers work together: who acts, whose goal is over, and what each layer remembers of it.

This is algorithm 1 of the paper (https://arxiv.org/abs/1712.00948), whose steps are named where
they happen. Its ``train-level`` calls itself from the highest level, k - 1, down to 0, and waits;
here layers are numbered from the highest, 0, down, and each has a ``Pursuit`` between two steps of
the environment.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from baselines_ext.hac.exploration import ExplorationGoals
from baselines_ext.hac.goal_space import GoalSpace, Observation
from baselines_ext.hac.layer import Layer
from baselines_ext.hac.proposal import PolicyProposal
from baselines_ext.hac.transitions import (
    MISSED,
    PROPOSED,
    HindsightRelabelling,
    SubgoalTesting,
)
from baselines_ext.replay.fields import ACTION, REWARD, TERMINATED
from baselines_ext.replay.store import ReplayStore

Tally = defaultdict[str, list[bool]]
"""Outcomes of subgoals, by metric: ``layer_0/subgoal_success``, ``layer_0/test_success``."""


def means(tally: Tally, name: str) -> dict[str, float]:
    """
    Average outcomes and forget them.

    :param tally: of outcomes
    :param name: end of their keys
    :return: by key; nothing where there was no outcome
    """
    keys = [key for key, outcomes in tally.items() if key.endswith(name) and outcomes]
    return {key: float(np.mean(tally.pop(key))) for key in keys}


class Seen(NamedTuple):
    """
    What the environment showed.

    :param observation: of the environment
    :param achieved: the goal of each layer that it achieves, by index
    """

    observation: Observation
    achieved: Mapping[int, np.ndarray]

    def pursuing(self, index: int, goal: np.ndarray) -> dict[str, np.ndarray]:
        """
        See it as a layer does.

        :param index: of the layer
        :param goal: of the layer
        """
        return {
            **self.observation,
            "achieved_goal": self.achieved[index],
            "desired_goal": goal,
        }


@dataclass
class Pursuit:
    """
    What one layer is up to.

    :param goal: that it pursues; None before the first one
    :param start: what the environment showed when the running action began
    :param action: that is running, in [-1, 1]; None where the layer has to choose
    :param n_actions: that it has used for its goal
    :param inside_test: whether a layer above tests a subgoal, so that this one does not explore
    :param is_test: whether the running action is a subgoal that this layer tests
    """

    goal: np.ndarray | None = None
    start: Seen | None = None
    action: np.ndarray | None = None
    n_actions: int = 0
    inside_test: bool = False
    is_test: bool = False


@dataclass
class Plan:
    """
    What the layers are up to in one environment.

    :param layers: highest first
    :param here: what the environment showed last; None before the first observation
    :param first: where the episode goes before it pursues the environment's goal
    :param returns: go to another such place whenever the environment's goal is reached
    :param played: scaled actions of the episode, for those who want to come back to where it is
    """

    layers: list[Pursuit]
    here: Seen | None = None
    first: np.ndarray | None = None
    returns: bool = False
    played: list[np.ndarray] = field(default_factory=list)

    @classmethod
    def empty(cls, n_layers: int) -> "Plan":
        """Make the plan of an episode that begins."""
        return cls([Pursuit() for _ in range(n_layers)])

    def copy(self) -> "Plan":
        """Copy what changes as an episode goes on."""
        return replace(self, layers=[replace(pursuit) for pursuit in self.layers])

    def highest_goal(self) -> np.ndarray:
        """Say what the highest layer pursues from here."""
        assert self.here is not None
        return self.here.observation["desired_goal"].ravel() if self.first is None else self.first


@dataclass
class Memory:
    """
    What an agent needs to go on, beside its model.

    :param stores: of the layers, highest first
    :param plans: of the running episodes, one per environment
    :param last_observation: of all environments
    :param tally: outcomes of subgoals that were not logged yet
    """

    stores: list[ReplayStore]
    plans: list[Plan]
    last_observation: Any
    tally: Tally


def highest_to_act(
    reached: Sequence[bool], pursuits: Sequence[Pursuit], time_scales: Sequence[int], *, over: bool
) -> int:
    """
    Find the highest layer whose action has ended with a step of the environment.

    A layer is done with its goal, and hands back to the one above, when this goal or a higher
    one is reached, when it has used all its actions, or when the episode is over (the
    end of the loop over H actions in algorithm 1). The highest layer goes on until then.

    :param reached: whether each layer's goal is reached now, highest first
    :param pursuits: of the layers, the action that may end now not yet counted
    :param time_scales: actions that each layer has, H
    :param over: whether the episode is over
    """
    layer = len(reached) - 1
    while layer > 0 and (
        over or any(reached[: layer + 1]) or pursuits[layer].n_actions + 1 >= time_scales[layer]
    ):
        layer -= 1
    return layer


def _alike(goals: Sequence[GoalSpace]) -> list[list[int]]:
    """Group layers whose goals are achieved and reached in the same way."""
    groups: dict[Any, list[int]] = {}
    for index, each in enumerate(goals):
        groups.setdefault((id(each.achieved), id(each.reached)), []).append(index)
    return list(groups.values())


class Hierarchy:
    """
    Layers that give each other goals.

    :param layers: highest first
    :param proposal: chooses actions
    :param relabelling: says what a transition shows in hindsight
    :param testing: of subgoals
    :param exploration: says where training episodes go first
    :param rng: only source of randomness
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        proposal: PolicyProposal,
        relabelling: HindsightRelabelling,
        testing: SubgoalTesting,
        exploration: ExplorationGoals,
        rng: np.random.Generator,
    ) -> None:
        self.layers = layers
        self.time_scales = [layer.time_scale for layer in layers]
        self._alike = _alike([layer.goals for layer in layers])
        self.proposal = proposal
        self.relabelling = relabelling
        self.testing = testing
        self.exploration = exploration
        self.rng = rng

    def begin_episode(self) -> Plan:
        """Plan an episode of the training."""
        plan = Plan.empty(len(self.layers))
        plan.first = self.exploration.choose(self.layers[0], self.rng)
        plan.returns = plan.first is not None and self.exploration.again
        return plan

    def see(self, observation: Observation) -> Seen:
        """
        Find the goals that an observation achieves: one for all layers whose goals are alike.

        :param observation: of the environment; remembered, not copied
        """
        achieved = {}
        for layers in self._alike:
            goal = self.layers[layers[0]].goals.achieved(observation)
            achieved.update(dict.fromkeys(layers, goal))
        return Seen(observation, achieved)

    def _reached(self, plan: Plan, seen: Seen) -> list[bool]:
        """Tell whose goals are reached; those that are alike are asked for together."""
        reached = [False] * len(self.layers)
        for layers in self._alike:
            goals = np.stack([plan.layers[index].goal for index in layers])  # type: ignore[misc]
            achieved = np.broadcast_to(seen.achieved[layers[0]], goals.shape)
            found = self.layers[layers[0]].goals.reached(achieved, goals)
            for index, is_reached in zip(layers, found, strict=True):
                reached[index] = bool(is_reached)
        return reached

    def act(
        self, plan: Plan, *, explore: bool, test: bool = False, random: bool = False
    ) -> np.ndarray:
        """
        Let every layer choose whose action has ended, from the highest one down.

        :param plan: with what was seen last; is completed
        :param explore: with noise
        :param test: start subgoal tests; inside one, no layer explores
        :param random: uniformly at random
        :return: the lowest layer's action, in [-1, 1]
        """
        here = plan.here
        assert here is not None
        plan.layers[0].goal = plan.highest_goal()  # algorithm 1: the end goal
        for index, layer in enumerate(self.layers):
            pursuit = plan.layers[index]
            if pursuit.action is not None:
                continue
            assert pursuit.goal is not None
            # algorithm 1: the policy's action, with noise but in a test
            action = self.proposal.propose(
                layer.learner,
                here.pursuing(index, pursuit.goal),
                explore=explore and not pursuit.inside_test,
                random=random,
            )
            pursuit.start, pursuit.action = here, action
            if index + 1 < len(self.layers):
                # algorithm 1: is this subgoal tested?
                pursuit.is_test = not pursuit.inside_test and test and self.testing.starts(self.rng)
                # algorithm 1: the level below begins with it
                goals = self.layers[index + 1].goals
                subgoal = goals.to_goal(action, here.achieved[index + 1])
                inside_test = pursuit.inside_test or pursuit.is_test
                plan.layers[index + 1] = Pursuit(subgoal, inside_test=inside_test)
        assert action is not None
        return action

    def end_actions(
        self,
        plan: Plan,
        observation: Observation,
        *,
        over: bool,
        tally: Tally,
        terminated: bool = False,
        env: int | None = None,
    ) -> None:
        """
        Check all goals after a step, end the actions that are done, and remember them.

        :param plan: is changed
        :param observation: after the step
        :param over: whether it was the last of its episode
        :param tally: outcomes of subgoals are added
        :param terminated: whether the environment says that nothing comes after it
        :param env: number of the environment in the replay stores; None: remember nothing
        """
        seen = plan.here = self.see(observation)
        reached = self._reached(plan, seen)
        highest = highest_to_act(reached, plan.layers, self.time_scales, over=over)
        if reached[0]:
            to_the_edge = plan.returns and plan.first is None
            plan.first = self.exploration.edge(self.layers[0], self.rng) if to_the_edge else None
        for index in range(len(self.layers) - 1, highest - 1, -1):
            pursuit = plan.layers[index]
            pursuit.n_actions += 1
            if index + 1 < len(self.layers):
                tally[f"layer_{index}/subgoal_success"].append(reached[index + 1])
                if pursuit.is_test:
                    tally[f"layer_{index}/test_success"].append(reached[index + 1])
            if env is not None:
                transition = {
                    REWARD: float(reached[index]) - 1,
                    TERMINATED: float(terminated),  # whether its goal ends it, a sample finds out
                    ACTION: pursuit.action,
                }
                if index + 1 < len(self.layers):
                    transition |= self._in_hindsight(plan, index, seen, reached=reached[index + 1])
                done = index > highest or (index == 0 and over)
                self._remember(env, plan, index, transition, done=done)
            pursuit.action = None

    def _remember(
        self, env: int, plan: Plan, index: int, transition: Mapping[str, Any], *, done: bool
    ) -> None:
        """Store a transition, "[s_i, a_i, s'_i, r in {-1, 0}, g_i]"; HER draws when it samples."""
        store, pursuit = self.layers[index].store, plan.layers[index]
        assert pursuit.goal is not None
        assert pursuit.start is not None
        assert plan.here is not None
        if not store.in_episode(env):
            store.begin(env, pursuit.start.pursuing(index, pursuit.goal))
        next_goal = plan.highest_goal() if index == 0 else pursuit.goal
        store.append(env, transition, plan.here.pursuing(index, next_goal), over=done)

    def _in_hindsight(self, plan: Plan, index: int, seen: Seen, *, reached: bool) -> dict[str, Any]:
        """Say which action an upper layer's transition shows, and whether its test was missed."""
        pursuit, below = plan.layers[index], self.layers[index + 1]
        assert pursuit.action is not None
        assert pursuit.start is not None
        # algorithm 1: a missed test is a penalty without a future, see the sampler
        missed = pursuit.is_test and self.testing.missed(
            reached=reached,
            n_actions=plan.layers[index + 1].n_actions,
            time_scale=below.time_scale,
        )
        # algorithm 1: a missed subgoal is replaced by what was achieved
        here, there = pursuit.start.achieved[index + 1], seen.achieved[index + 1]
        achieved = below.goals.to_action(there, here)
        return {
            ACTION: self.relabelling.action(pursuit.action, achieved, reached=reached),
            PROPOSED: pursuit.action,
            MISSED: float(missed),
        }
