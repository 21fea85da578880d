"""Films of evaluation episodes, made in an environment of their own."""

import contextlib
import functools
import logging
import time
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
from omegaconf import DictConfig

from envs.episode_seeds import SeedOfEpisode
from experiment.evaluation.camera import Camera, Sink, Watched
from experiment.evaluation.evaluation import EvaluationEnv, evaluate, make_evaluation_env
from experiment.evaluation.film import FORMATS, Film
from experiment.evaluation.film_strip import METRICS
from experiment.run_folder.random_state import random_state, set_random_state
from interface.abilities import Acts, MeasuresEvaluations
from interface.config import check_render_ranges
from interface.errors import unknown_name

log = logging.getLogger(__name__)

MakeEnv = Callable[..., EvaluationEnv]

MODES = ("none", "record", "display")


def check_mode(cfg: DictConfig) -> None:
    """
    Check what is said of rendering.

    :param cfg: the main config
    :raises UserError: if mode, format or a metric of the strip does not exist, or a value is wrong
    """
    check_render_ranges(cfg)
    for key, chosen, known in (
        ("render.mode", [cfg.render.mode], MODES),
        ("render.format", [cfg.render.format], FORMATS),
        ("metric in render.metrics", cfg.render.metrics, METRICS),
    ):
        for name in chosen:
            if name not in known:
                raise unknown_name(key, name, known)


def render_episodes(
    model: Acts,
    cfg: DictConfig,
    seeds: SeedOfEpisode,
    folder: Path,
    name: str,
    shared: gym.Env | None = None,
) -> Path | None:
    """
    Show or film some episodes; where that is impossible, say so and go on.

    The model's randomness is put back afterwards, so that a filmed run learns as any other.

    :param model: the agent
    :param cfg: the main config; ``render.mode`` is record or display
    :param seeds: of the episodes
    :param folder: for the film
    :param name: of the film, without suffix
    :param shared: the environment of the training, if no other may live
    :return: the film's path, None if there is none
    """
    start = time.monotonic()
    path = folder / f"{name}.{cfg.render.format}"
    before = random_state(model)
    make = functools.partial(make_evaluation_env, cfg, seeds, shared=shared)
    try:
        if cfg.render.mode == "display":
            _play(model, cfg, make, "human", lambda *_: None)
            return None
        folder.mkdir(parents=True, exist_ok=True)
        _record(model, cfg, make, path)
    except Exception as error:  # noqa: BLE001 (drivers, displays and codecs fail in many ways)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        log.warning("cannot render %s here: %s", cfg.env.id, _first_line(error))
        return None
    finally:
        set_random_state(model, before)
        _forget(model)
    seconds = time.monotonic() - start
    log.info("film of %d episodes in %.1f s: %s", cfg.render.n_episodes, seconds, path.name)
    return path


def _forget(model: Acts) -> None:
    """Drop what an agent has counted of the film's episodes: they are no evaluation."""
    if isinstance(model, MeasuresEvaluations):
        model.evaluation_metrics()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _record(model: Acts, cfg: DictConfig, make: MakeEnv, path: Path) -> None:
    film = Film(path, cfg.render)
    try:
        _play(model, cfg, make, "rgb_array", film.add)
    finally:
        film.close()
    if film.n_frames == 0:
        raise RuntimeError("the environment returned no pictures")


def _play(model: Acts, cfg: DictConfig, make: MakeEnv, render_mode: str, sink: Sink) -> None:
    view, n_episodes = cfg.render.camera, cfg.render.n_episodes
    agent = Watched(model, asks_critics="q" in cfg.render.metrics)
    env = make(
        render_mode=render_mode, wrap=lambda inner: Camera(inner, agent, view, sink, n_episodes)
    )
    try:
        evaluate(model, env, n_episodes, agent)
    finally:
        env.close()
