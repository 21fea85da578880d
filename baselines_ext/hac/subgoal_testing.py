"""How a layer learns which subgoals the layer below cannot reach: a replaceable part."""

import numpy as np

from baselines_ext.replay.samplers import Batch
from baselines_ext.replay.store import ReplayStore

PROPOSED, MISSED = "proposed", "missed"
"""Fields of an upper layer's transition: the tested subgoal, and 1 if its test was missed."""


class SubgoalTesting:
    """
    Some subgoals are tested: all layers below act as well as they can, and a miss is expensive.

    :param share: of subgoals that are tested, in [0, 1]
    """

    def __init__(self, share: float = 0.3) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"subgoal_testing.share must be from 0 to 1, got {share}")
        self.share = share

    def starts(self, rng: np.random.Generator) -> bool:
        """
        Decide whether to test a subgoal.

        :param rng: only source of randomness
        """
        return self.share > 0 and rng.random() < self.share

    def missed(self, *, reached: bool, n_actions: int, time_scale: int) -> bool:
        """
        Judge a test: only all the layer's actions are proof; an episode may end for other reasons.

        :param reached: whether the subgoal was reached
        :param n_actions: that the layer below has used
        :param time_scale: that it may use
        """
        return not reached and n_actions >= time_scale

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
