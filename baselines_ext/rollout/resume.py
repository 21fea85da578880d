"""Bring environments back to where a checkpoint left them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecTransposeImage


def replay_episodes(
    env: VecEnv,
    actions: Sequence[Iterable[np.ndarray]],
    came_back: Callable[[int, Any], bool],
) -> tuple[Any, list[int]]:
    """
    Play the running episodes again.

    :param env: about to start the very episodes that were running
    :param actions: of each environment, in its own range, since its episode began
    :param came_back: tells from its number and observation whether an environment is where it was
    :return: the observations of all, and the environments that did not come back: those begin a
        new episode
    """
    observations, lost = [], []

    for index, played in enumerate(actions):
        observation, goes_on = _begun(env, index), True
        for action in played:
            (result,) = env.env_method("step", action, indices=index)
            observation, _, terminated, truncated, _ = result
            goes_on = not (terminated or truncated)
            if not goes_on:  # which it did not before
                break
        if not goes_on or not came_back(index, _transposed(env, observation)):
            lost.append(index)
            observation = _begun(env, index)
        observations.append(_transposed(env, observation))
    return _stacked(observations), lost


def _begun(env: VecEnv, index: int) -> Any:
    return env.env_method("reset", indices=index)[0][0]


def _transposed(env: VecEnv, observation: Any) -> Any:
    """See images as the agent does, channels first: environments that are asked alone do not."""
    while isinstance(env, VecEnvWrapper):
        if isinstance(env, VecTransposeImage):
            observation = env.transpose_observations(observation)
        env = env.venv
    return observation


def _stacked(observations: list[Any]) -> Any:
    first = observations[0]
    if not isinstance(first, dict):
        return np.stack(observations)
    return {key: np.stack([each[key] for each in observations]) for key in first}
