"""What a layer learns from things that did not go as it wanted: a replaceable part."""

import numpy as np

from baselines_ext.common.replay_store import ReplayStore
from baselines_ext.common.sampling import (
    Batch,
    GoalSelectionStrategy,
    RewardFunction,
    relabel,
)
from interface.errors import unknown_name


class HindsightRelabelling:
    """
    Hindsight actions and hindsight goals (section 4 of the paper).

    :param n_sampled_goal: transitions with a goal that was achieved later, per real one
    :param goal_selection_strategy: ``future``, ``final`` or ``episode``
    :param hindsight_actions: take the subgoal that was achieved for the action, as if the layer
        below could do whatever it is told
    """

    def __init__(
        self,
        n_sampled_goal: int = 3,
        goal_selection_strategy: str = "future",
        hindsight_actions: bool = True,
    ) -> None:
        strategies = [strategy.value for strategy in GoalSelectionStrategy]
        if goal_selection_strategy not in strategies:
            raise unknown_name("goal_selection_strategy", goal_selection_strategy, strategies)
        self.strategy = GoalSelectionStrategy(goal_selection_strategy)
        self.share = n_sampled_goal / (n_sampled_goal + 1)
        self.hindsight_actions = hindsight_actions

    def action(self, proposed: np.ndarray, achieved: np.ndarray, *, reached: bool) -> np.ndarray:
        """
        Say which action a transition of an upper layer shows.

        :param proposed: the subgoal, scaled
        :param achieved: what the layer below achieved instead, scaled
        :param reached: whether the subgoal was reached
        """
        return achieved if self.hindsight_actions and not reached else proposed

    def goals(
        self,
        store: ReplayStore,
        batch: Batch,
        compute_reward: RewardFunction,
        rng: np.random.Generator,
    ) -> Batch:
        """
        Replace goals by goals that were reached.

        :param store: that the batch comes from
        :param batch: its arrays are changed
        :param compute_reward: of the layer
        :param rng: only source of randomness
        """
        n_relabelled = int(self.share * len(batch.rows))
        return relabel(store, batch, n_relabelled, self.strategy, compute_reward, rng)
