"""What a layer learns from: its transitions, relabelled, and missed subgoal tests."""

from collections.abc import Mapping

import numpy as np

from baselines_ext.hac.goal_space import GoalSpace
from baselines_ext.hac.relabelling import HindsightRelabelling
from baselines_ext.hac.subgoal_testing import MISSED, PROPOSED, SubgoalTesting
from baselines_ext.replay.fields import Field
from baselines_ext.replay.hindsight import end_at_goals, relabel
from baselines_ext.replay.samplers import Batch, RewardFunction, Sampler, transitions
from baselines_ext.replay.store import ReplayStore


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
        end_at_goals(store, batch, reward)
        if self.testing is not None:
            share = (1 - self.relabelling.share) / (2 - self.relabelling.share)
            batch = self.testing.penalties(store, batch, self.penalty, share, rng)
        return batch
