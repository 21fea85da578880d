"""
How layers work together: who acts, whose goal is over, and what each layer remembers of it.

This is algorithm 1 of the paper (https://arxiv.org/abs/1712.00948), whose steps are named where
they happen. Its ``train-level`` calls itself from the highest level, k - 1, down to 0, and waits;
here layers are numbered from the highest, 0, down, and each has a ``Pursuit`` between two steps of
its n environments, which are stepped together: row i of an array is of environment i.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from baselines_ext.hac.exploration import ExplorationGoals
from baselines_ext.hac.goal_space import GoalSpace, Observations
from baselines_ext.hac.layer import Layer
from baselines_ext.hac.proposal import PolicyProposal
from baselines_ext.hac.pursuit import Plan, Seen
from baselines_ext.hac.transitions import (
    MISSED,
    PROPOSED,
    HindsightRelabelling,
    SubgoalTesting,
)
from baselines_ext.replay.fields import ACTION, REWARD, TERMINATED

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


def ended_actions(
    reached: np.ndarray,
    n_actions: Sequence[np.ndarray],
    time_scales: Sequence[int],
    over: np.ndarray,
) -> np.ndarray:
    """
    Tell which layers' actions have ended with a step of the environments.

    A layer is done with its goal, and hands back to the one above, when this goal or a higher
    one is reached, when it has used all its actions, or when the episode is over (the
    end of the loop over H actions in algorithm 1). The highest layer goes on until then.

    :param reached: (k, n) whether each layer's goal is reached now, highest first
    :param n_actions: k times (n,), the action that may end now not yet counted
    :param time_scales: k actions that each layer has, H
    :param over: (n,) whether the episode is over
    :return: (k, n), True in the last row
    """
    ended = np.ones_like(reached)
    reached_so_far = np.logical_or.accumulate(reached)
    for index in range(len(reached) - 1, 0, -1):
        used_up = n_actions[index] + 1 >= time_scales[index]
        ended[index - 1] = ended[index] & (reached_so_far[index] | used_up | over)
    return ended


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

    def begin_episodes(self, plan: Plan, envs: Iterable[int]) -> None:
        """
        Plan episodes of the training.

        :param plan: is changed
        :param envs: where they begin
        """
        envs = np.fromiter(envs, np.int64)
        plan.restart(envs)
        for env in envs.tolist():
            place = self.exploration.choose(self.layers[0], self.rng)
            if place is None:
                continue
            plan.detours[env] = place
            if self.exploration.again:
                plan.returning.add(env)

    def see(self, observations: Observations) -> Seen:
        """
        Find the goals that observations achieve: one for all layers whose goals are alike.

        :param observations: (n, ...) by key; remembered, not copied
        """
        achieved = {}
        for layers in self._alike:
            goals = self.layers[layers[0]].goals.achieved(observations)
            achieved.update(dict.fromkeys(layers, goals))
        return Seen(observations, achieved)

    def _reached(self, plan: Plan, seen: Seen) -> np.ndarray:
        """Tell whose goals are reached, (k, n); those that are alike are asked for together."""
        reached = np.empty((len(self.layers), len(plan.played)), bool)
        for layers in self._alike:
            goals = np.stack([plan.layers[index].goals for index in layers])  # type: ignore[misc]
            achieved = np.broadcast_to(seen.achieved[layers[0]], goals.shape)
            reached[layers] = self.layers[layers[0]].goals.reached(achieved, goals)
        return reached

    def act(
        self, plan: Plan, *, explore: bool, test: bool = False, random: bool = False
    ) -> np.ndarray:
        """
        Let every layer choose where its action has ended, from the highest one down.

        :param plan: with what was seen last; is completed
        :param explore: with noise
        :param test: start subgoal tests; inside one, no layer explores
        :param random: uniformly at random
        :return: (n, A) the lowest layer's actions, in [-1, 1]
        """
        assert plan.here is not None
        plan.layers[0].goals = plan.highest_goals()  # algorithm 1: the end goal
        for index, (layer, pursuit) in enumerate(zip(self.layers, plan.layers, strict=True)):
            envs = np.flatnonzero(pursuit.chooses)
            if not envs.size:
                continue
            assert pursuit.goals is not None
            # algorithm 1: the policy's action, with noise but in a test
            actions = self.proposal.propose(
                layer.learner,
                plan.here.pursuing(index, pursuit.goals, envs),
                explore=~pursuit.inside_test[envs] & explore,
                random=random,
            )
            pursuit.begin_actions(envs, plan.here, actions)
            if index + 1 < len(self.layers):
                self._give_subgoals(plan, index, envs, actions, test=test)
        lowest = plan.layers[-1].actions
        assert lowest is not None
        return lowest

    def _give_subgoals(
        self, plan: Plan, index: int, envs: np.ndarray, actions: np.ndarray, *, test: bool
    ) -> None:
        """Hand a layer's actions to the one below, some of them as tests."""
        assert plan.here is not None
        pursuit = plan.layers[index]
        # algorithm 1: is this subgoal tested?
        is_test = ~pursuit.inside_test[envs] & test
        is_test[is_test] = self.testing.starts(int(is_test.sum()), self.rng)
        pursuit.is_test[envs] = is_test
        # algorithm 1: the level below begins with it
        starts = plan.here.achieved[index + 1][envs]
        subgoals = self.layers[index + 1].goals.to_goal(actions, starts)
        inside_test = pursuit.inside_test[envs] | is_test
        plan.layers[index + 1].begin_goals(envs, subgoals, inside_test)

    def end_actions(
        self,
        plan: Plan,
        observations: Observations,
        *,
        over: np.ndarray,
        tally: Tally,
        terminated: np.ndarray | None = None,
        running: np.ndarray | bool = True,
    ) -> None:
        """
        Check all goals after a step, end the actions that are done, and remember them.

        :param plan: is changed
        :param observations: (n, ...) by key, after the step
        :param over: (n,) whether it was the last of its episode
        :param tally: outcomes of subgoals are added
        :param terminated: (n,) whether the environment says that nothing comes after it; None:
            remember nothing
        :param running: (n,) whether there was a step; the plans of others are left alone
        """
        seen = plan.here = self.see(observations)
        reached = self._reached(plan, seen) & running
        n_actions = [pursuit.n_actions for pursuit in plan.layers]
        ended = ended_actions(reached, n_actions, self.time_scales, over) & running
        self._turn_round(plan, reached[0])
        for index in range(len(self.layers) - 1, -1, -1):
            envs = np.flatnonzero(ended[index])
            if not envs.size:
                break  # no higher layer's action has ended
            pursuit = plan.layers[index]
            pursuit.n_actions[envs] += 1
            pursuit.chooses[envs] = True
            if index + 1 < len(self.layers):
                outcomes = reached[index + 1]
                tally[f"layer_{index}/subgoal_success"] += outcomes[envs].tolist()
                tested = envs[pursuit.is_test[envs]]
                tally[f"layer_{index}/test_success"] += outcomes[tested].tolist()
            if terminated is not None:
                done = over if index == 0 else ended[index - 1]
                self._remember(plan, index, envs, reached, terminated[envs], done[envs])

    def _turn_round(self, plan: Plan, reached: np.ndarray) -> None:
        """Where the highest goal is reached, the way leads to the environment's, or back."""
        for env in np.flatnonzero(reached).tolist():
            if env in plan.detours:
                del plan.detours[env]
            elif env in plan.returning:
                plan.detours[env] = self.exploration.edge(self.layers[0], self.rng)

    def _remember(
        self,
        plan: Plan,
        index: int,
        envs: np.ndarray,
        reached: np.ndarray,
        terminated: np.ndarray,
        done: np.ndarray,
    ) -> None:
        """Store transitions, "[s_i, a_i, s'_i, r in {-1, 0}, g_i]"; HER draws when it samples."""
        store, pursuit = self.layers[index].store, plan.layers[index]
        assert pursuit.goals is not None
        assert pursuit.start is not None
        assert pursuit.actions is not None
        assert plan.here is not None
        transitions = {
            REWARD: reached[index][envs] - 1.0,
            TERMINATED: terminated,  # whether its goal ends it, a sample finds out
            ACTION: pursuit.actions[envs],
        }
        if index + 1 < len(self.layers):
            transitions |= self._in_hindsight(plan, index, envs, reached[index + 1][envs])
        for env in np.intersect1d(store.between_episodes(), envs):
            store.begin(env, pursuit.start.pursuing(index, pursuit.goals, np.array([env])))
        next_goals = plan.highest_goals() if index == 0 else pursuit.goals
        following = plan.here.pursuing(index, next_goals, envs)
        store.append_all(transitions, following, done, envs)

    def _in_hindsight(
        self, plan: Plan, index: int, envs: np.ndarray, reached: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Say which actions an upper layer's transitions show, and whose test was missed."""
        pursuit, below = plan.layers[index], self.layers[index + 1]
        assert pursuit.actions is not None
        assert pursuit.start is not None
        assert plan.here is not None
        proposed = pursuit.actions[envs]
        # algorithm 1: a missed test is a penalty without a future, see the sampler
        missed = pursuit.is_test[envs] & self.testing.missed(
            reached=reached,
            n_actions=plan.layers[index + 1].n_actions[envs],
            time_scale=below.time_scale,
        )
        # algorithm 1: a missed subgoal is replaced by what was achieved
        here, there = (seen.achieved[index + 1][envs] for seen in (pursuit.start, plan.here))
        achieved = below.goals.to_action(there, here)
        return {
            ACTION: self.relabelling.action(proposed, achieved, reached=reached),
            PROPOSED: proposed,
            MISSED: missed,
        }
