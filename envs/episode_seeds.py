"""Give every episode a seed of its own, so that any episode can be played again."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from envs.own_randomness import OwnRandomness, shared_sources

SeedOfEpisode = Callable[[int], int]

# The streams never share a seed: test goals are neither those of training nor of evaluation.
_TRAINING, _EVALUATION, _TEST, _OWN_EVALUATION = range(4)


def training_seeds(seed: int, env_index: int = 0) -> SeedOfEpisode:
    """
    Make the seeds of a training environment: one for each episode, never the same again.

    :param seed: of the run
    :param env_index: number of this environment among those stepped together
    """
    return lambda episode: _hash(_TRAINING, seed, env_index, episode)


def evaluation_seeds(n_episodes: int, stream: int = 0) -> SeedOfEpisode:
    """
    Make the seeds of the evaluations during training.

    :param n_episodes: length of the list; after it, the list starts again
    :param stream: 0 is the list that all runs share; any other number has a list of its own
    """
    kind = (_OWN_EVALUATION, stream) if stream else (_EVALUATION,)
    return lambda episode: _hash(*kind, episode % n_episodes)


def final_test_seeds(n_episodes: int) -> SeedOfEpisode:
    """
    Make the seeds of a final test: other episodes than those that chose the best model.

    :param n_episodes: length of the list; after it, the list starts again
    """
    return lambda episode: _hash(_TEST, episode % n_episodes)


def _hash(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


class EpisodeSeeds(gym.Wrapper):
    """
    Seed each episode by its number alone, all generators that the environment draws from.

    A seed passed to ``reset`` is ignored: vectorised environments pass one before the first
    episode, and the first must be as repeatable as any other.

    :param env: the environment to wrap
    :param seed_of_episode: the seed of episode 0, 1, 2, ...
    :param seed_range: the least and the greatest seed that the environment knows; None: any
    """

    def __init__(
        self,
        env: gym.Env,
        seed_of_episode: SeedOfEpisode,
        seed_range: Sequence[int] | None = None,
    ) -> None:
        super().__init__(env)
        self._seed_range = seed_range
        self.seed_of_episode = seed_of_episode
        """May be set, too, where an environment is shared."""
        self.next_episode = 0
        """Number of the episode that the next ``reset`` starts; may be set."""
        self._randomness = OwnRandomness(shared_sources(env, seed_of_episode(0)))

    def reset(
        self,
        *,
        seed: int | None = None,  # noqa: ARG002 (episodes have seeds of their own)
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start the next episode with its own seed."""
        episode_seed = self.seed_of_episode(self.next_episode)
        if self._seed_range is not None:
            low, high = self._seed_range
            episode_seed = low + episode_seed % (high - low + 1)
        self.next_episode += 1
        if not self._randomness.matters_in_resets:
            return self.env.reset(seed=episode_seed, options=options)
        with self._randomness.reset(episode_seed):
            return self.env.reset(seed=episode_seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, with the episode's generators."""
        if not self._randomness.matters_in_steps:
            return self.env.step(action)
        with self._randomness.step():
            return self.env.step(action)
