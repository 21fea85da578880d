"""The sweeper's settings, checked."""

from collections.abc import Mapping
from typing import Any

from interface.errors import UserError


def check_settings(settings: Mapping[str, Any]) -> None:
    """
    Check ranges.

    :param settings: of the sweeper
    :raises UserError: naming the value got and what would be right
    """
    for name in ("n_trials", "n_jobs", "min_trials_per_param", "n_verification_rollouts"):
        if settings[name] < 1:
            raise UserError(f"hydra.sweeper.{name}={settings[name]} must be at least 1")
    for name in ("warm_up", "no_sign_of_life_after", "max_failure_rate"):
        if not 0 <= settings[name] <= 1:
            raise UserError(f"hydra.sweeper.{name}={settings[name]} must be in [0, 1]")
    if settings["epoch_factor"] < 1:
        raise UserError(f"hydra.sweeper.epoch_factor={settings['epoch_factor']} must be at least 1")
    if settings["max_trials_per_param"] < settings["min_trials_per_param"]:
        raise UserError(
            f"hydra.sweeper.max_trials_per_param={settings['max_trials_per_param']} must be at "
            f"least min_trials_per_param={settings['min_trials_per_param']}"
        )
    name = str(settings["study_name"])
    if name in ("", ".", "..") or set(name) & set("/\\\0\n"):
        raise UserError(
            f"hydra.sweeper.study_name={name} must be a name without slashes and backslashes: "
            f"a folder in data_dir is called so; hydra.sweep.dir=<path> puts it elsewhere"
        )
    for name in directions_of(settings["direction"]):
        if name not in ("maximize", "minimize"):
            raise UserError(f"hydra.sweeper.direction={name} must be maximize or minimize")


def directions_of(direction: Any) -> list[str]:
    """
    List the directions.

    :param direction: one, or several
    """
    return [str(one) for one in direction] if isinstance(direction, list) else [str(direction)]
