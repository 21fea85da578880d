"""
What a layer learns from: the three kinds of transitions of section 4 of the paper.

Hindsight actions and hindsight goals are one replaceable part, subgoal testing is another; the
sampler draws what they make of a layer's memory.
"""

from collections.abc import Mapping

import numpy as np

from baselines_ext.hac.goal_space import GoalSpace
from baselines_ext.replay.fields import Field
from baselines_ext.replay.hindsight import HindsightGoals, relabel
from baselines_ext.replay.samplers import Batch, RewardFunction, Sampler, transitions
from baselines_ext.replay.store import ReplayStore

PROPOSED, MISSED = "proposed", "missed"
"""Fields of an upper layer's transition: the tested subgoal, and 1 if its test was missed."""


class HindsightRelabelling(HindsightGoals):
    """
    Hindsight actions and hindsight goals (section 4 of the paper).

    :param n_sampled_goal: of ``HindsightGoals``
    :param goal_selection_strategy: of ``HindsightGoals``
    :param hindsight_actions: take the subgoal that was achieved for the action, as if the layer
        below could do whatever it is told
    :param n_candidates: of ``HindsightGoals``
    """

    def __init__(
        self,
        n_sampled_goal: int = 3,
        goal_selection_strategy: str = "future",
        hindsight_actions: bool = True,
        n_candidates: int = 1,
    ) -> None:
        super().__init__(n_sampled_goal, goal_selection_strategy, n_candidates)
        self.hindsight_actions = hindsight_actions

    def action(
        self, proposed: np.ndarray, achieved: np.ndarray, *, reached: np.ndarray
    ) -> np.ndarray:
        """
        Say which actions transitions of an upper layer show.

        :param proposed: (B, G) the subgoals, scaled
        :param achieved: (B, G) what the layer below achieved instead, scaled
        :param reached: (B,) whether the subgoals were reached
        :return: (B, G)
        """
        if not self.hindsight_actions:
            return proposed
        return np.where(reached[:, None], proposed, achieved)


class SubgoalTesting:
    """
    Some subgoals are tested: all layers below act as well as they can, and a miss is expensive.

    :param share: of subgoals that are tested, in [0, 1]
    """

    def __init__(self, share: float = 0.3) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"subgoal_testing.share must be from 0 to 1, got {share}")
        self.share = share

    def starts(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """
        Decide which subgoals to test.

        :param n: how many there are
        :param rng: only source of randomness
        :return: (n,) bool
        """
        return rng.random(n) < self.share if self.share > 0 else np.zeros(n, bool)

    def missed(self, *, reached: np.ndarray, n_actions: np.ndarray, time_scale: int) -> np.ndarray:
        """
        Judge tests: only all the layer's actions are proof; an episode may end for other reasons.

        :param reached: (B,) whether the subgoals were reached
        :param n_actions: (B,) that the layer below has used
        :param time_scale: that it may use
        :return: (B,) bool
        """
        return ~reached & (n_actions >= time_scale)

    def penalties(
        self,
        store: ReplayStore,
        batch: Batch,
        penalty: float,
        share: float,
        rng: np.random.Generator,
    ) -> Batch:
        """
        Turn a share of the transitions whose test was missed into penalties.

        :param store: that the batch comes from
        :param batch: its arrays are changed
        :param penalty: paid for the proposed subgoal, once and for all
        :param share: of missed tests in the batch that become penalties
        :param rng: only source of randomness
        """
        missed = np.flatnonzero(store.column(MISSED)[batch.rows, 0])
        chosen = missed[rng.random(len(missed)) < share]
        if chosen.size:
            rows, goal = batch.rows[chosen], store.columns["desired_goal"]
            batch.observations[chosen, goal] = store.matrix[rows, goal]
            batch.next_observations[chosen, goal] = store.matrix[rows, goal]
            batch.actions[chosen] = store.column(PROPOSED)[rows]
            batch.rewards[chosen] = penalty
            batch.discounts[chosen] = 0
        return batch


class HacSampler(Sampler):
    """
    Draws what HAC trains a layer on (section 4 of the paper).

    :param goals: of the layer, which rewards them whatever the environment pays
    :param relabelling: replaces goals
    :param testing: of subgoals; None in the lowest layer, which proposes none
    :param penalty: of a missed test
    """

    def __init__(
        self,
        goals: GoalSpace,
        relabelling: HindsightRelabelling,
        testing: SubgoalTesting | None,
        penalty: float,
    ) -> None:
        self.goals = goals
        self.relabelling = relabelling
        self.testing = testing
        self.penalty = penalty

    def extra_fields(self, action: Field) -> Mapping[str, Field]:
        """Name the subgoal that was proposed, and whether its test was missed."""
        return {} if self.testing is None else {PROPOSED: action, MISSED: Field(())}

    def sample(
        self,
        store: ReplayStore,
        batch_size: int,
        gamma: float,
        rng: np.random.Generator,
        compute_reward: RewardFunction | None = None,  # noqa: ARG002
    ) -> Batch:
        """Draw transitions; a missed test counts as one more beside the relabelled ones."""
        reward = self.goals.reward
        rows, goals = self.relabelling.draw(store, batch_size, reward, rng)
        batch = transitions(store, rows, gamma)
        goal = store.columns["desired_goal"]  # the next action may pursue another one
        batch.next_observations[:, goal] = batch.observations[:, goal]
        batch = relabel(store, batch, goals, reward)
        batch.discounts[batch.rewards == 0] = 0  # a goal ends the layer's episode
        if self.testing is not None:
            share = (1 - self.relabelling.share) / (2 - self.relabelling.share)
            batch = self.testing.penalties(store, batch, self.penalty, share, rng)
        return batch
