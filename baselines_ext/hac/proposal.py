"""How a layer chooses subgoals: a replaceable part."""

import numpy as np

from baselines_ext.hac.goal_space import Observations
from baselines_ext.learners.actor_critic import LeanActorCritic


class PolicyProposal:
    """Subgoals are what the layer's policy says, in training with its noise and random share."""

    def propose(
        self,
        learner: LeanActorCritic,
        observations: Observations,
        *,
        explore: np.ndarray,
        random: bool,
    ) -> np.ndarray:
        """
        Choose a layer's actions, which are subgoals for the next lower layer.

        :param learner: of the layer
        :param observations: (B, ...) by key, with the layer's own goals
        :param explore: (B,) False: the best one known, without noise
        :param random: explore uniformly at random, while warming up
        :return: (B, A) in [-1, 1]
        """
        n = int(explore.sum())
        if n == len(explore):
            return learner.explore(observations, n, random=random)
        actions = learner.scaled_actions(observations, deterministic=True)
        if n > 0:
            exploring = {key: values[explore] for key, values in observations.items()}
            actions[explore] = learner.explore(exploring, n, random=random)
        return actions
