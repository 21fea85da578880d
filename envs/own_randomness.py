"""Let an environment draw from generators that others use, too, as if they were its own."""

import operator
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch as th
from gymnasium import spaces

# Reading and writing states takes longer than a step of a small environment, so it ends for the
# generators that nothing was drawn from in so many steps.
_STEPS_WATCHED = 200


@dataclass(frozen=True)
class Source:
    """
    A generator that an environment may share with others.

    :param read: its state
    :param write: sets its state
    :param seed: seeds it
    :param same: compares states
    """

    read: Callable[[], Any]
    write: Callable[[Any], None]
    seed: Callable[[int], Any]
    same: Callable[[Any, Any], bool] = operator.eq


def shared_sources(env: gym.Env, seed: int) -> list[Source]:
    """
    List the global generators of Python, numpy and torch, and those of an environment's spaces.

    :param env: with its wrappers
    :param seed: of the spaces until episodes begin, since nobody else seeds them
    """
    spaces_of_env = _leaves(env)
    for index, space in enumerate(spaces_of_env):
        space.seed(_own_seed(seed, index))
    return [
        Source(random.getstate, random.setstate, random.seed),
        Source(np.random.get_state, np.random.set_state, np.random.seed, _same_numpy),
        Source(th.get_rng_state, th.set_rng_state, th.default_generator.manual_seed, th.equal),
        *map(_source_of, spaces_of_env),
    ]


def _own_seed(seed: int, index: int) -> int:
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def _same_numpy(one: Any, other: Any) -> bool:
    return bool(one[2:] == other[2:] and np.array_equal(one[1], other[1]))


def _leaves(env: gym.Env) -> list[spaces.Space]:
    """List the simple spaces of all wrappers, each once."""
    found: dict[int, spaces.Space] = {}
    while True:
        waiting: list[Any] = [env.action_space, env.observation_space]
        while waiting:
            space = waiting.pop()
            parts = getattr(space, "spaces", None)
            if parts is None:
                found[id(space)] = space
            else:
                waiting += parts.values() if isinstance(parts, dict) else parts
        if not isinstance(env, gym.Wrapper):
            return list(found.values())
        env = env.env


def _source_of(space: spaces.Space) -> Source:
    def write(state: Any) -> None:
        space.np_random.bit_generator.state = state

    return Source(lambda: space.np_random.bit_generator.state, write, space.seed)


class OwnRandomness:
    """
    Exchanges the states of shared generators whenever the environment computes.

    So what an environment draws depends on the seed of its episode alone, whichever generators it
    uses and in whichever process it runs, and nobody else's numbers depend on it. A generator that
    is first used after the steps that are watched keeps what its process was seeded with.

    :param sources: the generators
    :param n_watched: steps after which those that nothing was drawn from are left alone
    """

    def __init__(self, sources: Sequence[Source], n_watched: int = _STEPS_WATCHED) -> None:
        self._sources = sources
        self._states: dict[int, Any] = {}
        self._drawn_by_reset: set[int] = set()
        self._drawn_by_step: set[int] = set()
        self._n_left = n_watched
        self.matters_in_steps = True
        """Whether steps draw from shared generators, or may do so."""

    @property
    def matters_in_resets(self) -> bool:
        """Whether resets draw from shared generators, or may do so."""
        return self.matters_in_steps or bool(self._drawn_by_reset)

    @contextmanager
    def reset(self, seed: int) -> Iterator[None]:
        """
        Begin an episode: what is drawn inside follows its seed.

        :param seed: of the episode
        """

        def begin(index: int) -> None:
            self._sources[index].seed(_own_seed(seed, index))

        with self._exchanged(begin, self._drawn_by_reset | self._drawn_by_step) as drawn:
            yield
        self._drawn_by_reset |= drawn

    @contextmanager
    def step(self) -> Iterator[None]:
        """Go on with the episode's generators."""

        def begin(index: int) -> None:
            self._sources[index].write(self._states[index])

        with self._exchanged(begin, self._drawn_by_step) as drawn:
            yield
        self._drawn_by_step |= drawn
        self._n_left = max(0, self._n_left - 1)
        self.matters_in_steps = self._n_left > 0 or bool(self._drawn_by_step)

    @contextmanager
    def _exchanged(self, begin: Callable[[int], None], used: set[int]) -> Iterator[set[int]]:
        """Put the environment's states into generators, and back again; tell which it changed."""
        watching = self._n_left > 0
        taken = {
            index: source.read()
            for index, source in enumerate(self._sources)
            if watching or index in used
        }
        for index in taken:
            begin(index)
        before = {index: self._sources[index].read() for index in taken} if watching else {}
        drawn: set[int] = set()
        try:
            yield drawn
        finally:
            for index, outside in taken.items():
                source = self._sources[index]
                self._states[index] = source.read()
                source.write(outside)
            drawn |= {
                index
                for index, state in before.items()
                if not self._sources[index].same(state, self._states[index])
            }
