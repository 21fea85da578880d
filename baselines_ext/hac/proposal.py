"""How a layer chooses subgoals: a replaceable part."""

import numpy as np

from baselines_ext.hac.goal_space import Observation
from baselines_ext.learners.actor_critic import LeanActorCritic


class PolicyProposal:
    """Subgoals are what the layer's policy says, in training with its noise and random share."""

    def propose(
        self, learner: LeanActorCritic, observation: Observation, *, explore: bool, random: bool
    ) -> np.ndarray:
        """
        Choose a layer's action, which is a subgoal for the next lower layer.

        :param learner: of the layer
        :param observation: with the layer's own goal
        :param explore: False: the best one known, without noise
        :param random: uniformly at random, while warming up
        :return: (A,) in [-1, 1]
        """
        batch = {key: value[None] for key, value in observation.items()}
        if explore:
            return learner.explore(batch, 1, random=random)[0]
        return learner.scaled_actions(batch, deterministic=True)[0]
