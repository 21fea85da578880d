"""Configurations that a search shall try first: the defaults, a preset, another search's best."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf
from optuna.study import StudyDirection

from hydra_plugins.early_stop_tpe_sweeper._search_space import SearchSpace, fitting, values_in
from hydra_plugins.early_stop_tpe_sweeper._storage import open_storage
from interface.errors import UserError

log = logging.getLogger(__name__)

_N_BEST = 3
JOURNAL = "study.journal"


def known_configurations(
    loader: ConfigLoader, config: DictConfig, space: SearchSpace
) -> list[tuple[dict[str, Any], str]]:
    """
    Read the defaults and the preset, which a new study tries first.

    :param loader: composes configs
    :param config: of the sweep
    :param space: to search
    :return: each with where it comes from, and which values it does not have from there
    """
    chosen = values_in(loader.load_sweep_config(config, space.fixed), space)
    if not chosen:
        return []  # keys that the config lacks: what is their default, only the task knows
    if "preset" not in config.hydra.runtime.choices:
        return [_known(chosen, "default", space)]
    plain = values_in(loader.load_sweep_config(config, [*space.fixed, "preset=none"]), space)
    return [_known(plain, "default", space), _known(chosen, "preset", space)]


def _known(
    values: Mapping[str, Any], origin: str, space: SearchSpace
) -> tuple[dict[str, Any], str]:
    params, others = fitting(values, space)
    for key, reason in others.items():
        log.warning("the %s: %s, so the search chooses %s", origin, reason, key)
    return params, f"{origin} but for {', '.join(others)}" if others else origin


def configurations_of(warm_start: str, space: SearchSpace) -> list[dict[str, Any]]:
    """
    Read configurations, and say which of their values cannot be tried here.

    :param warm_start: folder of a sweep, whose best three are taken, or a YAML like ``tuned.yaml``
    :param space: to search
    :raises UserError: if there is no such study or file, or it holds no value that is searched
    """
    path = Path(warm_start)
    is_yaml = path.suffix in (".yaml", ".yml") and path.is_file()
    found = [_of_yaml(path)] if is_yaml else _of_study(path)
    configurations = []
    for values in found:
        params, others = fitting(values, space)
        others = {key: why for key, why in others.items() if key in values}
        others |= {
            key: f"{key} is not searched" for key in values if key not in space.distributions
        }
        for reason in others.values():
            log.warning("hydra.sweeper.warm_start=%s: %s; not taken", warm_start, reason)
        if params:
            configurations.append(params)
    if not configurations:
        raise UserError(
            f"hydra.sweeper.warm_start={warm_start} holds no value that can be tried; searched are "
            f"{', '.join(space.distributions)}"
        )
    return configurations


def _of_yaml(path: Path) -> dict[str, Any]:
    config = OmegaConf.load(path)
    if not isinstance(config, DictConfig):
        raise UserError(f"hydra.sweeper.warm_start={path} must hold keys and values")
    groups = [entry for entry in config.pop("defaults", []) if isinstance(entry, DictConfig)]
    pairs = [(str(key), value) for entry in groups for key, value in entry.items()]
    chosen = {key.split("/", 1)[-1]: value for key, value in pairs}
    return chosen | leaves(config)


def leaves(config: DictConfig) -> dict[str, Any]:
    """
    List the values of a config.

    :param config: any
    :return: by dotted key, interpolations as they are
    """
    found: dict[str, Any] = {}

    def walk(node: Any, prefix: str) -> None:
        for key, value in node.items():
            if isinstance(value, dict) and value:
                walk(value, f"{prefix}{key}.")
            else:
                found[f"{prefix}{key}"] = value

    walk(OmegaConf.to_container(config, resolve=False, enum_to_str=True), "")
    return found


def _of_study(path: Path) -> list[dict[str, Any]]:
    journal = path / JOURNAL
    if not journal.is_file():
        raise UserError(
            f"hydra.sweeper.warm_start={path} is neither a YAML file nor a sweep's folder "
            f"with a {JOURNAL}"
        )
    storage = open_storage(str(journal))
    names = [one.study_name for one in storage.get_all_studies()]
    if not names:
        raise UserError(f"hydra.sweeper.warm_start={path}: its {JOURNAL} holds no study")
    study = optuna.load_study(study_name=min(names, key=len), storage=storage)
    if len(study.directions) > 1:
        best = study.best_trials
    else:
        sign = 1 if study.direction is StudyDirection.MINIMIZE else -1
        complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
        best = sorted(complete, key=lambda trial: sign * (trial.value or 0.0))
    # searches of before kept Hydra's prefixes in the names
    return [{key.lstrip("+"): one for key, one in t.params.items()} for t in best[:_N_BEST]]
