"""What a layer learns from: its transitions, relabelled, and missed subgoal tests."""

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from baselines_ext.hac.relabelling import HindsightRelabelling
from baselines_ext.hac.subgoal_testing import MISSED, PROPOSED, SubgoalTesting
from baselines_ext.replay.buffer import EpisodeReplayBuffer
from baselines_ext.replay.fields import Field, action_field
from baselines_ext.replay.hindsight import relabel
from baselines_ext.replay.sampling import (
    Batch,
    RewardFunction,
    end_at_goals,
    transitions,
)


class LayerBuffer(EpisodeReplayBuffer):
    """
    Samples what HAC trains a layer on.

    :param buffer_size: rows
    :param observation_space: of the layer
    :param action_space: of the layer
    :param arguments: of ``EpisodeReplayBuffer``
    :param relabelling: replaces goals
    :param testing: of subgoals; None in the lowest layer, which proposes none
    :param penalty: of a missed test
    :param keywords: of ``EpisodeReplayBuffer``
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *arguments: Any,
        relabelling: HindsightRelabelling,
        testing: SubgoalTesting | None,
        penalty: float,
        **keywords: Any,
    ) -> None:
        self.relabelling = relabelling
        self.testing = testing
        self.penalty = penalty
        if testing is not None:
            keywords["extra_fields"] = {PROPOSED: action_field(action_space), MISSED: Field(())}
        super().__init__(buffer_size, observation_space, action_space, *arguments, **keywords)

    def set_env(self, env: VecEnv) -> None:
        """Do nothing: the layer rewards its goals itself."""

    def set_layer_reward(self, compute_reward: RewardFunction) -> None:
        """
        Tell how the layer's goals are rewarded.

        :param compute_reward: 0 where a goal is reached, else -1
        """
        self._compute_reward = compute_reward

    def sample_batch(self, batch_size: int, env: VecNormalize | None = None) -> Batch:  # noqa: ARG002
        """
        Draw transitions; a missed test counts as one more transition beside the relabelled ones.

        :param batch_size: how many, with replacement
        :param env: None: layers scale their inputs themselves
        """
        assert self._compute_reward is not None
        rows, goals = self.relabelling.draw(self.store, batch_size, self._compute_reward, self.rng)
        batch = transitions(self.store, rows, self.gamma)
        goal = self.store.columns["desired_goal"]  # the next action may pursue another one
        batch.next_observations[:, goal] = batch.observations[:, goal]
        batch = relabel(self.store, batch, goals, self._compute_reward)
        end_at_goals(self.store, batch, self._compute_reward)
        if self.testing is not None:
            share = (1 - self.relabelling.share) / (2 - self.relabelling.share)
            batch = self.testing.penalties(self.store, batch, self.penalty, share, self.rng)
        return batch
