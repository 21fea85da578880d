"""One environment for training, evaluations and films, where no second instance may live."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
from omegaconf import DictConfig
from stable_baselines3.common.base_class import BaseAlgorithm

from envs.episode_seeds import SeedOfEpisode, training_seeds
from experiment.build.environments import make_env
from interface.abilities import Resumable

log = logging.getLogger(__name__)

_RENDER_MODES = {"record": "rgb_array", "display": "human"}


def make_shared_env(cfg: DictConfig) -> gym.Env:
    """
    Make the only instance; it can be shown where the run shall be.

    :param cfg: the main config
    """
    render_mode = _RENDER_MODES.get(cfg.render.mode)
    return make_env(cfg.env, training_seeds(cfg.seed), render_mode, cfg.reward)


@contextmanager
def lent(env: gym.Env, seeds: SeedOfEpisode, model: object) -> Iterator[None]:
    """
    Lend the environment of the training; afterwards the running episode is where it was.

    An agent that can resume plays its episode again up to there; what does not come back is taken
    for truncated, as after a restore. Others begin a new episode.

    :param env: shared
    :param seeds: of the episodes meanwhile
    :param model: in training
    """
    own_seeds: SeedOfEpisode = env.get_wrapper_attr("seed_of_episode")
    next_episode: int = env.get_wrapper_attr("next_episode")
    _set(env, seed_of_episode=seeds, next_episode=0)
    try:
        yield
    finally:
        _set(env, seed_of_episode=own_seeds, next_episode=next_episode)
        _go_on(env, model, next_episode)


def _go_on(env: gym.Env, model: object, next_episode: int) -> None:
    if isinstance(model, Resumable):
        _set(env, next_episode=max(0, next_episode - 1))
        if not model.resume_episodes():
            log.warning("the environment did not come back to where it was; a new episode starts")
        return
    if not isinstance(model, BaseAlgorithm):  # it does not train in here
        return
    venv = model.get_env()
    assert venv is not None
    model._last_obs = venv.reset()  # type: ignore[assignment]
    model._last_episode_starts = np.ones(venv.num_envs, bool)
    normalizer = model.get_vec_normalize_env()
    if normalizer is not None:
        model._last_original_obs = normalizer.get_original_obs()


def _set(env: gym.Env, **values: Any) -> None:
    for name, value in values.items():
        env.set_wrapper_attr(name, value)
