"""One layer: a learner, its goals, and how many actions it has for one."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from baselines_ext.hac.goal_space import GoalSpace, Observation
from baselines_ext.learners.actor_critic import LeanActorCritic
from baselines_ext.replay.store import ReplayStore


@dataclass
class Layer:
    """
    One layer.

    :param learner: acts and learns
    :param goals: of this layer
    :param time_scale: actions that it has for a goal
    """

    learner: LeanActorCritic
    goals: GoalSpace
    time_scale: int

    @property
    def store(self) -> ReplayStore:
        """What the layer has seen."""
        return self.learner.replay_buffer.store

    def train(self, num_timesteps: int, n_envs: int, progress_remaining: float) -> None:
        """
        Make the gradient steps that are due.

        :param num_timesteps: steps made in all environments
        :param n_envs: environments stepped together
        :param progress_remaining: share of the training to come, for schedules
        """
        learner = self.learner
        every = learner.train_freq.frequency * n_envs  # type: ignore[union-attr]
        started = num_timesteps > learner.learning_starts and self.store.n_transitions > 0
        if started and num_timesteps % every == 0:
            learner._current_progress_remaining = progress_remaining
            n_steps = learner.gradient_steps if learner.gradient_steps > 0 else every
            learner.update(n_steps, learner.batch_size)

    def observe(self, observation: Observation, goal: np.ndarray) -> dict[str, np.ndarray]:
        """
        See an observation of the environment with the layer's own goal.

        :param observation: of the environment
        :param goal: of the layer
        """
        return {
            **observation,
            "achieved_goal": self.goals.achieved(observation),
            "desired_goal": goal,
        }


class LayerEnv(gym.Env):
    """
    The spaces that a layer's learner works with; it is never stepped.

    :param observations: of the environment
    :param goals: of the layer
    :param actions: of the layer
    """

    def __init__(self, observations: spaces.Dict, goals: spaces.Space, actions: spaces.Space):
        self.observation_space = spaces.Dict(
            {**observations, "achieved_goal": goals, "desired_goal": goals}
        )
        self.action_space = actions
