"""What a command's config takes: its groups, what each offers, and its keys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from interface.resolvers import REPOSITORY

CONF = REPOSITORY / "conf"


def groups_of(config_name: str) -> list[str]:
    """
    List the groups of which a command's config takes one each.

    :param config_name: of the command
    """
    content = yaml.safe_load((CONF / f"{config_name}.yaml").read_text(encoding="utf-8"))
    names = [name for entry in content["defaults"] if isinstance(entry, dict) for name in entry]
    return [name.removeprefix("optional ") for name in names if not name.startswith("override ")]


def options_of(groups: Sequence[str]) -> dict[str, list[str]]:
    """
    List what each group offers, imported packages included.

    :param groups: their names
    """
    with _conf() as loader:
        return {group: loader.get_group_options(group) for group in groups}


def composed(config_name: str, arguments: Sequence[str]) -> DictConfig:
    """
    Compose a command's config with the chosen groups alone.

    :param config_name: of the command
    :param arguments: of the command line; those of other keys are left out
    """
    groups = (*groups_of(config_name), "imports")
    with _conf():
        overrides = [text for text in arguments if text.partition("=")[0] in groups]
        return compose(config_name, overrides=overrides)


@contextmanager
def _conf() -> Iterator[ConfigLoader]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF)):
        yield GlobalHydra.instance().config_loader()


def keys_of(node: Any, prefix: str = "") -> Iterator[str]:
    """
    List the keys of a config, those of its nodes after each.

    :param node: composed
    :param prefix: of all keys
    """
    for key in node:
        path = f"{prefix}{key}"
        yield path
        child = node._get_node(key)
        if OmegaConf.is_dict(child) and not child._is_interpolation() and not child._is_none():
            yield from keys_of(child, f"{path}.")


def keys_of_hydra(config_name: str) -> list[str]:
    """
    List the keys of Hydra itself, its sweeper's and launcher's included.

    :param config_name: of the command
    """
    with _conf():
        cfg = compose(config_name, return_hydra_config=True)
    return [*keys_of(cfg.hydra, "hydra.")]
