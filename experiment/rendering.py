"""Films of evaluation episodes, made in an environment of their own."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio
import numpy as np
from omegaconf import DictConfig
from stable_baselines3.common.base_class import BaseAlgorithm

from envs.episode_seeds import SeedOfEpisode
from experiment.evaluation import evaluate, make_evaluation_env
from interface.errors import unknown_name

log = logging.getLogger(__name__)

MODES = ("none", "record", "display")
_DEFAULT_FPS = 25


class FrameSink(gym.Wrapper):
    """
    Hand the picture after each reset and step to a function.

    :param env: with a render mode
    :param sink: takes a frame (height, width, 3)
    """

    def __init__(self, env: gym.Env, sink: Callable[[np.ndarray], None]) -> None:
        super().__init__(env)
        self._sink = sink

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Reset, and hand over the first picture."""
        result = self.env.reset(**kwargs)
        self._hand_over()
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and hand over the picture."""
        result = self.env.step(action)
        self._hand_over()
        return result

    def _hand_over(self) -> None:
        frame = self.env.render()
        if isinstance(frame, np.ndarray):
            self._sink(frame)


def check_mode(cfg: DictConfig) -> None:
    """
    Check ``render.mode``.

    :param cfg: the main config
    :raises UserError: if it is none of ``MODES``
    """
    if cfg.render.mode not in MODES:
        raise unknown_name("render.mode", cfg.render.mode, MODES)


def render_episodes(
    model: BaseAlgorithm, cfg: DictConfig, seeds: SeedOfEpisode, path: Path
) -> Path | None:
    """
    Show or film some episodes; where that is impossible, say so and go on.

    :param model: the agent
    :param cfg: the main config; ``render.mode`` is record or display
    :param seeds: of the episodes
    :param path: of the film
    :return: the film's path, None if there is none
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if cfg.render.mode == "record":
            _record(model, cfg, seeds, path)
            return path
        _play(model, cfg, seeds, "human", lambda frame: None)
    except Exception as error:  # noqa: BLE001 (drivers, displays and codecs fail in many ways)
        path.unlink(missing_ok=True)
        log.warning("cannot render %s here: %s", cfg.env.id, error)
    return None


def _record(model: BaseAlgorithm, cfg: DictConfig, seeds: SeedOfEpisode, path: Path) -> None:
    frames: list[Any] = []
    metadata = _play(model, cfg, seeds, "rgb_array", frames.append)
    if not frames:
        raise RuntimeError("the environment returned no pictures")
    fps = metadata.get("render_fps", _DEFAULT_FPS)
    imageio.mimwrite(path, frames, fps=fps, macro_block_size=2)


def _play(
    model: BaseAlgorithm,
    cfg: DictConfig,
    seeds: SeedOfEpisode,
    render_mode: str,
    sink: Callable[[np.ndarray], None],
) -> dict[str, Any]:
    """Play the episodes and return the environment's metadata."""
    env = make_evaluation_env(cfg, seeds, render_mode, lambda inner: FrameSink(inner, sink))
    try:
        evaluate(model, env, cfg.render.n_episodes)
        return env.recorder.metadata
    finally:
        env.close()
