"""What a layer learns from things that did not go as it wanted: a replaceable part."""

import numpy as np

from baselines_ext.replay.hindsight import HindsightGoals


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

    def action(self, proposed: np.ndarray, achieved: np.ndarray, *, reached: bool) -> np.ndarray:
        """
        Say which action a transition of an upper layer shows.

        :param proposed: the subgoal, scaled
        :param achieved: what the layer below achieved instead, scaled
        :param reached: whether the subgoal was reached
        """
        return achieved if self.hindsight_actions and not reached else proposed
