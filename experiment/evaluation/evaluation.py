"""Test an agent on a fixed list of episodes."""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from omegaconf import DictConfig
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.type_aliases import PolicyPredictor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from envs.ends_episodes import EndsEpisodes
from envs.episode_recorder import Episode, EpisodeRecorder
from envs.episode_seeds import SeedOfEpisode
from experiment.build.environments import make_env, normalized
from experiment.build.shared_env import lent
from interface.abilities import Acts, ExploresEnvironments
from interface.metrics import (
    EVAL_GOAL_DISTANCE,
    EVAL_LENGTH,
    EVAL_RETURN,
    EVAL_SUCCESS_EVER,
    EVAL_SUCCESS_RATE,
)


@dataclass
class EvaluationEnv:
    """
    An environment that plays the same episodes again at each evaluation.

    :param venv: what the agent acts in, normalised as in training
    :param recorder: what sums up its episodes
    :param seeds: of its episodes
    :param shared: the environment of the training, if it is the same; None: this one is its own
    """

    venv: VecEnv
    recorder: EpisodeRecorder
    seeds: SeedOfEpisode
    shared: gym.Env | None = None

    def __post_init__(self) -> None:
        """Never learn statistics from test episodes."""
        if isinstance(self.venv, VecNormalize):
            self.venv.training = False
            self.venv.norm_reward = False

    def close(self) -> None:
        """Close the environment, unless the training still needs it."""
        if self.shared is None:
            self.venv.close()


def make_evaluation_env(
    cfg: DictConfig,
    seeds: SeedOfEpisode,
    render_mode: str | None = None,
    wrap: Callable[[gym.Env], gym.Env] = lambda env: env,
    load: Callable[[VecEnv], VecEnv] | None = None,
    shared: gym.Env | None = None,
) -> EvaluationEnv:
    """
    Make an environment for evaluations.

    :param cfg: the main config
    :param seeds: of its episodes
    :param render_mode: as in Gymnasium
    :param wrap: puts a further wrapper around the environment
    :param load: puts the normalisation of a checkpoint around it; None: that of the config, fresh
    :param shared: the environment of the training, if no other may live
    """
    reward, limit = cfg.get("reward"), cfg.get("max_evaluation_steps")  # former versions had none
    env = make_env(cfg.env, seeds, render_mode, reward) if shared is None else shared
    env = wrap(env)
    if limit is not None and (env.spec is None or env.spec.max_episode_steps is None):
        env = EndsEpisodes(env, limit)
    recorder = EpisodeRecorder(env)
    plain = DummyVecEnv([lambda: Monitor(recorder)])
    venv = normalized(cfg, plain) if load is None else load(plain)
    return EvaluationEnv(venv, recorder, seeds, shared)


def evaluate(
    model: Acts,
    env: EvaluationEnv,
    n_episodes: int,
    policy: PolicyPredictor | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> list[Episode]:
    """
    Play deterministic episodes, the first of the list first.

    :param model: the agent
    :param env: where to play
    :param n_episodes: how many, at least 1
    :param policy: acts in the model's place, e.g. to watch it
    :param on_step: called after each step; may raise to end the evaluation
    """
    trained = model.get_vec_normalize_env() if isinstance(model, ExploresEnvironments) else None
    own = env.venv
    if isinstance(own, VecNormalize) and own.norm_obs and trained not in (None, own):
        own.obs_rms = copy.deepcopy(trained.obs_rms)
    env.recorder.episodes.clear()
    with _from_the_first(model, env):
        evaluate_policy(
            policy or model,
            env.venv,
            n_episodes,
            deterministic=True,
            callback=lambda *_: on_step(),
            warn=False,
        )
    return env.recorder.episodes[:n_episodes]


def _from_the_first(model: Acts, env: EvaluationEnv) -> AbstractContextManager[None]:
    """Let the first episode of the list come next."""
    if env.shared is not None:
        return lent(env.shared, env.seeds, model)
    env.recorder.set_wrapper_attr("next_episode", 0)
    return nullcontext()


def summarize(episodes: Sequence[Episode]) -> dict[str, float]:
    """
    Average episodes.

    :param episodes: at least one
    :return: by metric key; without success and distance where the environment has none
    """
    columns: dict[str, list[Any]] = {
        EVAL_SUCCESS_RATE: [episode.success for episode in episodes],
        EVAL_SUCCESS_EVER: [episode.success_ever for episode in episodes],
        EVAL_RETURN: [episode.episode_return for episode in episodes],
        EVAL_LENGTH: [episode.length for episode in episodes],
        EVAL_GOAL_DISTANCE: [episode.goal_distance for episode in episodes],
    }
    return {
        key: float(np.mean(values))
        for key, values in columns.items()
        if all(value is not None for value in values)
    }
