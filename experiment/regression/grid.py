"""The function matrix: every algorithm on every environment that it fits, see ``interface``."""

from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
from gymnasium import spaces
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from experiment.build.environments import make_env
from experiment.regression.rows import training
from experiment.regression.settings import FunctionSettings
from interface.algorithm import AlgorithmSpec
from interface.config import NO_ENV
from interface.errors import UserError
from interface.needs import Needs, misfit
from interface.resolvers import REPOSITORY, register_resolvers

CONF = REPOSITORY / "conf"


def function_rows(settings: FunctionSettings) -> dict[str, list[str]]:
    """
    List the rows of the function matrix.

    :param settings: of ``conf/regression.yaml``
    :return: overrides by row name, ``<env>_<variant>``
    """
    register_resolvers()
    with initialize_config_dir(str(CONF)):
        needed = {name: _needs(choice) for name, choice in _variants(settings).items()}
        names = sorted(path.stem for path in (CONF / "env").glob("*.yaml"))
        found = {name: _spaces(name) for name in names if name != NO_ENV}
    return {
        f"{env}_{variant}": [f"env={env}", *_variants(settings)[variant]]
        for env, (observations, actions) in found.items()
        for variant, needs in needed.items()
        if not any(misfit(need, observations, actions) for need in needs)
    }


def function_commands(
    overrides: list[str], settings: FunctionSettings, seed: int, folder: Path
) -> Iterator[tuple[str, ...]]:
    """
    Write the two commands of a function row: train, then go on.

    :param overrides: of the row
    :param settings: of ``conf/regression.yaml``
    :param seed: of the run
    :param folder: of the run
    """
    yield training([*overrides, *settings.overrides], {"seed": seed, "hydra.run.dir": folder})
    yield training([f"restore={folder}", *settings.restored], {})


def _variants(settings: FunctionSettings) -> dict[str, list[str]]:
    """List the variants that are named, and the algorithms of which none is."""
    varied = {choice for variant in settings.variants.values() for choice in variant}
    plain = [path.stem for path in sorted((CONF / "algorithm").glob("*.yaml"))]
    return settings.variants | {
        name: [f"algorithm={name}"] for name in plain if f"algorithm={name}" not in varied
    }


def _needs(choice: list[str]) -> list[Needs]:
    cfg = compose("main", overrides=["preset=none", *choice])
    return [part.needs for part in AlgorithmSpec.of(cfg.algorithm).parts]


def _spaces(env: str) -> tuple[spaces.Space, spaces.Space]:
    cfg: DictConfig = compose("main", overrides=["preset=none", f"env={env}"])
    try:
        made: gym.Env = make_env(cfg.env, lambda episode: episode)
    except UserError as error:
        raise UserError(f"the function matrix cannot make {env}: {error}") from error
    observations, actions = made.observation_space, made.action_space
    made.close()
    return observations, actions
