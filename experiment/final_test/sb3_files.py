"""Agents that plain Stable-Baselines3 wrote: a zip file, its statistics perhaps beside it."""

import inspect
import pickle
import zipfile
from pathlib import Path
from typing import Any

import sb3_contrib
import stable_baselines3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from interface.errors import UserError

# What was pickled for training alone: it may be of another Python, or large, and does not act.
_FOR_TRAINING: dict[str, Any] = {
    "learning_rate": 0.0,
    "lr_schedule": lambda _: 0.0,
    "clip_range": lambda _: 0.0,
    "exploration_schedule": lambda _: 0.0,
    "buffer_size": 1,
    "replay_buffer_class": None,
    "replay_buffer_kwargs": {},
    "optimize_memory_usage": False,
    "action_noise": None,
}
_UNREADABLE = (
    AttributeError,
    ImportError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def sb3_class(path: Path) -> type[BaseAlgorithm]:
    """
    Find an algorithm of SB3 or SB3-Contrib for an agent's file, which does not name it.

    :param path: of the file
    :raises UserError: if it is no such file, or of another algorithm
    """
    try:
        content, _, _ = load_from_zip_file(path, custom_objects=_FOR_TRAINING)
        assert content is not None, "it has no data"
        policy_class = content["policy_class"]
    except (*_UNREADABLE, AssertionError) as error:
        raise UserError(f"cannot read {path} as a file of Stable-Baselines3: {error}") from error
    algorithm = _algorithm_with(policy_class)
    if algorithm is None:
        raise UserError(
            f"{path}: no algorithm of Stable-Baselines3 or SB3-Contrib has its policy, "
            f"{policy_class.__module__}.{policy_class.__name__}"
        )
    return algorithm


def load_sb3(path: Path, venv: VecEnv, device: str) -> BaseAlgorithm:
    """
    Load an agent to act.

    :param path: of the file
    :param venv: an environment, normalised as ``load_sb3_normalization`` says
    :param device: where to put it
    :raises UserError: if it is no such file, or made for other spaces
    """
    algorithm = sb3_class(path)
    try:
        return algorithm.load(path, env=venv, device=device, custom_objects=_FOR_TRAINING)
    except _UNREADABLE as error:
        raise UserError(
            f"cannot load {path} as {algorithm.__name__} in this environment: {error}"
        ) from error


def _algorithm_with(policy_class: type) -> type[BaseAlgorithm] | None:
    """
    Find an algorithm by its policy; all that share one act alike.

    The one with the fewest parameters has the least to miss in a file of another.
    """
    found = [
        each
        for library in (stable_baselines3, sb3_contrib)
        for each in vars(library).values()
        if isinstance(each, type)
        and issubclass(each, BaseAlgorithm)
        and policy_class in each.policy_aliases.values()
    ]
    return min(found, key=lambda each: len(inspect.signature(each).parameters), default=None)


def load_sb3_normalization(path: Path, env_id: str, venv: VecEnv) -> VecEnv:
    """
    Wrap environments in the normalisation of an agent, if there is one beside its file.

    It is looked for as our export, SB3's users and rl-zoo name it.

    :param path: of the agent's file
    :param env_id: of the environment
    :param venv: not normalised yet
    """
    name = "vecnormalize.pkl"
    for statistics in (
        path.with_suffix(f".{name}"),
        path.with_name(name),
        path.parent / env_id / name,
    ):
        if statistics.is_file():
            return VecNormalize.load(str(statistics), venv)
    return venv
