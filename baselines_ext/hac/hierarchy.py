"""How layers work together: who acts, whose goal is over, and what each layer remembers of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from baselines_ext.hac.exploration import ExplorationGoals
from baselines_ext.hac.goal_space import Observation
from baselines_ext.hac.layer import Layer
from baselines_ext.hac.proposal import PolicyProposal
from baselines_ext.hac.relabelling import HindsightRelabelling
from baselines_ext.hac.subgoal_testing import MISSED, PROPOSED, SubgoalTesting
from baselines_ext.replay.fields import ACTION, REWARD, TERMINATED

Tally = defaultdict[str, list[bool]]
"""Outcomes of subgoals, by metric: ``layer_0/subgoal_success``, ``layer_0/test_success``."""


@dataclass
class Plan:
    """
    What the layers are up to in one environment; one entry per layer, highest first.

    :param goals: that the layers pursue
    :param starts: what the environment showed when the running actions began
    :param actions: that are running, in [-1, 1]; None where a layer has to choose
    :param n_actions: that the layers have used for their goals
    :param testing: layers that act inside a subgoal test
    :param tested: layers whose running action is a subgoal that they test
    :param first: where the episode goes before it pursues the environment's goal
    :param returns: go to another such place whenever the environment's goal is reached
    """

    goals: list[np.ndarray | None]
    starts: list[Observation | None]
    actions: list[np.ndarray | None]
    n_actions: list[int]
    testing: list[bool]
    tested: list[bool]
    first: np.ndarray | None = None
    returns: bool = False

    @classmethod
    def empty(cls, n_layers: int) -> "Plan":
        """Make the plan of an episode that begins."""
        nothing: list[None] = [None] * n_layers
        no = [False] * n_layers
        return cls([*nothing], [*nothing], [*nothing], [0] * n_layers, [*no], [*no])

    def copy(self) -> "Plan":
        """Copy the lists."""
        lists: dict[str, Any] = {
            name: list(value) for name, value in vars(self).items() if isinstance(value, list)
        }
        return replace(self, **lists)

    def highest_goal(self, observation: Observation) -> np.ndarray:
        """
        Say what the highest layer pursues.

        :param observation: of the environment, with its goal
        """
        return observation["desired_goal"].ravel() if self.first is None else self.first


def highest_to_act(
    reached: Sequence[bool], n_actions: Sequence[int], time_scales: Sequence[int], *, over: bool
) -> int:
    """
    Find the highest layer whose action has ended with a step of the environment.

    A layer is done with its goal, and hands back to the one above, when this goal or a higher
    one is reached, when it has used all its actions, or when the episode is over. The highest
    layer goes on until the episode is over.

    :param reached: whether each layer's goal is reached now, highest first
    :param n_actions: that each layer has used for its goal, without the one that may end now
    :param time_scales: actions that each layer has
    :param over: whether the episode is over
    """
    layer = len(reached) - 1
    while layer > 0 and (
        over or any(reached[: layer + 1]) or n_actions[layer] + 1 >= time_scales[layer]
    ):
        layer -= 1
    return layer


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

    def act(
        self,
        plan: Plan,
        observation: Observation,
        *,
        explore: bool,
        test: bool = False,
        random: bool = False,
    ) -> np.ndarray:
        """
        Let every layer choose whose action has ended, from the highest one down.

        :param plan: is completed
        :param observation: of the environment
        :param explore: with noise
        :param test: start subgoal tests; inside one, no layer explores
        :param random: uniformly at random
        :return: the lowest layer's action, in [-1, 1]
        """
        plan.goals[0] = plan.highest_goal(observation)
        for index, layer in enumerate(self.layers):
            if plan.actions[index] is not None:
                continue
            goal = plan.goals[index]
            assert goal is not None
            action = self.proposal.propose(
                layer.learner,
                layer.observe(observation, goal),
                explore=explore and not plan.testing[index],
                random=random,
            )
            plan.starts[index], plan.actions[index] = observation, action
            if index + 1 < len(self.layers):
                inherited = plan.testing[index]
                plan.tested[index] = not inherited and test and self.testing.starts(self.rng)
                goals = self.layers[index + 1].goals
                subgoal = goals.to_goal(action, goals.achieved(observation))
                self._begin(plan, index + 1, subgoal, testing=inherited or plan.tested[index])
        assert action is not None
        return action

    @staticmethod
    def _begin(plan: Plan, index: int, goal: np.ndarray, *, testing: bool) -> None:
        """Give a layer a new goal."""
        plan.goals[index] = goal
        plan.actions[index] = None
        plan.n_actions[index] = 0
        plan.testing[index] = testing

    def take_in(
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
        reached = [
            bool(layer.goals.reached(layer.goals.achieved(observation), goal))
            for layer, goal in zip(self.layers, plan.goals, strict=True)
            if goal is not None
        ]
        time_scales = [layer.time_scale for layer in self.layers]
        highest = highest_to_act(reached, plan.n_actions, time_scales, over=over)
        if reached[0]:
            to_the_edge = plan.returns and plan.first is None
            plan.first = self.exploration.edge(self.layers[0], self.rng) if to_the_edge else None
        for index in range(len(self.layers) - 1, highest - 1, -1):
            plan.n_actions[index] += 1
            if index + 1 < len(self.layers):
                self._count(plan, index, reached[index + 1], tally)
            if env is not None:
                done = index > highest or (index == 0 and over)
                transition = {
                    REWARD: float(reached[index]) - 1,
                    TERMINATED: float(terminated),  # whether its goal ends it, a sample finds out
                    **self._action(plan, index, observation, reached),
                }
                self._remember(env, plan, index, observation, transition, done=done)
            plan.actions[index] = None

    @staticmethod
    def _count(plan: Plan, index: int, reached: bool, tally: Tally) -> None:
        tally[f"layer_{index}/subgoal_success"].append(reached)
        if plan.tested[index]:
            tally[f"layer_{index}/test_success"].append(reached)

    def _remember(
        self,
        env: int,
        plan: Plan,
        index: int,
        observation: Observation,
        transition: Mapping[str, Any],
        *,
        done: bool,
    ) -> None:
        """Store a layer's transition."""
        layer, goal, start = self.layers[index], plan.goals[index], plan.starts[index]
        assert goal is not None
        assert start is not None
        if not layer.store.in_episode(env):
            layer.store.begin(env, layer.observe(start, goal))
        next_goal = plan.highest_goal(observation) if index == 0 else goal
        layer.store.append(env, transition, layer.observe(observation, next_goal), over=done)

    def _action(
        self, plan: Plan, index: int, observation: Observation, reached: Sequence[bool]
    ) -> dict[str, Any]:
        """Say which action a transition shows in hindsight, and whether its test was missed."""
        proposed, start = plan.actions[index], plan.starts[index]
        assert proposed is not None
        assert start is not None
        if index + 1 == len(self.layers):
            return {ACTION: proposed}
        below, is_reached = self.layers[index + 1], reached[index + 1]
        here, there = below.goals.achieved(start), below.goals.achieved(observation)
        achieved = below.goals.to_action(there, here)
        missed = plan.tested[index] and self.testing.missed(
            reached=is_reached, n_actions=plan.n_actions[index + 1], time_scale=below.time_scale
        )
        return {
            ACTION: self.relabelling.action(proposed, achieved, reached=is_reached),
            PROPOSED: proposed,
            MISSED: float(missed),
        }
