"""Where the environments are between two rollouts, and how to come back there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.vec_env import VecEnv

from baselines_ext.rollout.resume import replay_episodes


@dataclass(frozen=True)  # a tuple would come back from SB3's file as a list
class RunningEpisodes:
    """
    The episodes that run in N environments.

    :param actions: of each environment since its episode began, as the policy's head had them
    :param observations: last ones, as the agent sees them; None before the first rollout
    """

    actions: Sequence[Sequence[np.ndarray]]
    observations: Any = None

    @classmethod
    def before_any(cls, n_envs: int) -> Self:
        """
        Tell that no action was taken yet.

        :param n_envs: N
        """
        return cls([[]] * n_envs)

    def after(self, rollout: RolloutBuffer, ends: np.ndarray, observations: Any) -> Self:
        """
        Follow a rollout.

        :param rollout: T steps
        :param ends: (N,), whether an episode ended with the last step
        :param observations: after the last step
        """
        actions = [
            _since_start(before, rollout.actions[:, env], rollout.episode_starts[:, env], ends[env])
            for env, before in enumerate(self.actions)
        ]
        return type(self)(actions, observations)

    def resume(
        self,
        env: VecEnv,
        seen: Callable[[Any], Any],
        for_environment: Callable[[np.ndarray], np.ndarray],
    ) -> tuple[Any, list[int]]:
        """
        Play the episodes again.

        :param env: about to start the very episodes that were running
        :param seen: makes of an observation what the agent sees
        :param for_environment: makes of an action what the environments take, with a first axis
        :return: see ``replay_episodes``
        """

        def came_back(index: int, observation: Any) -> bool:
            if self.observations is None:
                return True
            return _equal(seen(observation), self.observations, index)

        actions = [[for_environment(one)[0] for one in played] for played in self.actions]
        return replay_episodes(env, actions, came_back)


def _since_start(
    before: Sequence[np.ndarray], taken: np.ndarray, starts: np.ndarray, has_ended: bool
) -> list[np.ndarray]:
    if has_ended:
        return []
    (begun,) = np.nonzero(starts)
    return [*taken[begun[-1] :]] if len(begun) else [*before, *taken]


def _equal(observation: Any, all_observations: Any, index: int) -> bool:
    if isinstance(observation, dict):
        return all(_equal(part, all_observations[key], index) for key, part in observation.items())
    return np.array_equal(observation, all_observations[index])
