"""The winner of a search, written so that ``preset=<file>`` trains it again."""

import datetime
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.early_stop_tpe_sweeper._search_space import SearchSpace, plain_value
from hydra_plugins.early_stop_tpe_sweeper._warm_start import leaves
from interface.config import MainConfig
from interface.resolvers import quoted

TUNED, UNVERIFIED = "tuned.yaml", "tuned-NOT-verified.yaml"
_BUDGET = ("n_epochs", "eval_after_n_steps")
_NOT_OF_A_PRESET = ("hydra.", "search_space.", "run_monitor.")


def preset_values(
    loader: ConfigLoader, config: DictConfig, space: SearchSpace, base: DictConfig
) -> dict[str, Any]:
    """
    Find what the preset of a search changes: the winner's file takes the preset's place.

    :param loader: composes configs
    :param config: of the sweep
    :param space: that was searched
    :param base: config that the trials start from
    :return: by dotted key
    """
    if "preset" not in base.hydra.runtime.choices:
        return {}
    without = leaves(loader.load_sweep_config(config, [*space.fixed, "preset=none"]))
    return {
        key: value
        for key, value in leaves(base).items()
        if not key.startswith(_NOT_OF_A_PRESET) and without.get(key, ...) != value
    }


def tuned(
    params: Mapping[str, Any], space: SearchSpace, config: DictConfig, preset: Mapping[str, Any]
) -> str:
    """
    Write a configuration as a preset.

    :param params: of the winner
    :param space: that was searched
    :param config: of a trial
    :param preset: what the preset changed that the search began with
    """
    content = OmegaConf.create()
    for key, value in preset.items():
        OmegaConf.update(content, key, value, force_add=True)
    for key in _BUDGET:
        if key in config:
            content[key] = config[key]
    for key, value in params.items():
        if key not in space.groups:
            OmegaConf.update(content, key, plain_value(value), force_add=True)
    groups = [
        {f"{'' if space.prefixes.get(key) else 'override '}/{key}": plain_value(params[key])}
        for key in params
        if key in space.groups
    ]
    defaults = OmegaConf.to_yaml({"defaults": [*groups, "_self_"]}) if groups else ""
    return defaults + OmegaConf.to_yaml(content)


def header(about: str) -> str:
    """
    Write the first lines of a preset.

    :param about: the configuration, one sentence
    """
    return f"# @package _global_\n# {about}\n# {datetime.date.today()}, {command()}\n"


def command() -> str:
    """Write the command of this process."""
    return shlex.join(["python", "experiment/" + Path(sys.argv[0]).name, *sys.argv[1:]])


def use(path: Path, space: SearchSpace, config: DictConfig) -> str | None:
    """
    Write the command that trains what was found, with the packages and values of the search.

    A task that is not ours has none; where one is searched, its own command says how to use it.

    :param path: of the preset
    :param space: that was searched
    :param config: of a trial
    """
    if OmegaConf.get_type(config) is not MainConfig:
        return None
    chosen = [
        text for text in space.fixed if not text.startswith(("hydra", "seed=", "preset=", "debug="))
    ]
    name = str(path) if " " not in str(path) and "'" not in str(path) else quoted(str(path))
    return shlex.join(["python", "experiment/train.py", *chosen, f"preset={name}"])
