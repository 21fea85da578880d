"""Write an agent as a file that plain Stable-Baselines3 loads, without this repository."""

import inspect
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from interface.errors import UserError

_LIBRARIES = ("stable_baselines3", "sb3_contrib")
# What a file for acting does not need, or what would name classes of this repository.
_LEFT_OUT = {"policy", "env", "seed", "device", "verbose", "tensorboard_log", "action_noise"}


def export_policy(model: BaseAlgorithm, path: Path) -> list[Path]:
    """
    Write an agent for plain SB3.

    :param model: of one of our classes, or of SB3's
    :param path: of the file, ending in .zip
    :return: the files written: the agent, and the statistics of its normalisation if it has any
    :raises UserError: if SB3 has no such algorithm, or the file cannot be written
    """
    library_class = _library_class(model)
    if path.suffix != ".zip":
        raise UserError(f"export={path}: the file must end in .zip")
    if not path.parent.is_dir():
        raise UserError(f"export={path}: there is no folder {path.parent}")
    _plain_copy(model, library_class).save(path)
    normalization = model.get_vec_normalize_env()
    if not isinstance(normalization, VecNormalize):
        return [path]
    statistics = path.with_suffix(".vecnormalize.pkl")
    normalization.save(str(statistics))
    return [path, statistics]


def _library_class(model: BaseAlgorithm) -> type[BaseAlgorithm]:
    for found in type(model).__mro__:
        if found.__module__.startswith(_LIBRARIES) and getattr(found, "policy_aliases", None):
            return found
    raise UserError(f"{type(model).__name__} is not in Stable-Baselines3, so it cannot be exported")


def _plain_copy(model: BaseAlgorithm, library_class: type[BaseAlgorithm]) -> BaseAlgorithm:
    """Build the library's own class as its ``load`` does, and give it the networks."""
    names = set(inspect.signature(library_class.__init__).parameters)
    build: Any = library_class
    plain: BaseAlgorithm = build(
        model.policy_class, env=None, device="cpu", _init_setup_model=False
    )
    for name, value in vars(model).items():
        if name in names - _LEFT_OUT and not name.startswith("replay_buffer"):
            setattr(plain, name, value)
    plain.observation_space = model.observation_space
    plain.action_space = model.action_space
    plain.n_envs = 1
    plain._setup_model()
    plain.policy.load_state_dict(model.policy.state_dict())
    return plain
