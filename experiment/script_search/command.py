"""The command line of a script's run."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiment.launching.arguments import written
from experiment.script_search.settings import python_of


def command_of(cfg: DictConfig, folder: Path) -> list[str]:
    """
    Write the command of a run.

    :param cfg: of ``conf/search.yaml``
    :param folder: where the script is to write
    """
    own = {cfg.seed_argument: cfg.seed, cfg.folder_argument: str(folder)}
    own.pop(None, None)
    return [python_of(cfg), str(Path(cfg.script).resolve()), *_words(cfg, own)]


def configuration_of(cfg: DictConfig) -> str:
    """
    Write a configuration as a user would type it: without seed and folder.

    :param cfg: of ``conf/search.yaml``
    """
    return shlex.join([cfg.python or "python", cfg.script, *_words(cfg, {})])


def _words(cfg: DictConfig, own: Mapping[str, Any]) -> list[str]:
    nested: Any = OmegaConf.to_container(cfg.arguments, resolve=True)
    return written(cfg.argument, dict(_flat(nested, "")), dict(own))


def _flat(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
