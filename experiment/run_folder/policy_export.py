"""Write an agent as a file that plain Stable-Baselines3 loads, without this repository."""

import inspect
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize

from interface.abilities import ExploresEnvironments, ReadsInputs
from interface.errors import UserError
from util.atomic_write import atomic_path

_LIBRARIES = ("stable_baselines3", "sb3_contrib")
# What a file for acting does not need, or what would name classes of this repository.
_LEFT_OUT = {"policy", "env", "seed", "device", "verbose", "tensorboard_log", "action_noise"}
_COUNTERS = ("num_timesteps", "_total_timesteps", "_n_updates", "_episode_num")
_TOLERANCE = 1e-3  # of actions: sums are rounded in another order


def check_export(model_class: type, path: Path) -> None:
    """
    Check what can be checked before an agent plays.

    :param model_class: of the agent
    :param path: of the file to write
    :raises UserError: if SB3 has no such algorithm, or the file cannot be written
    """
    if _library_class(model_class) is None:
        raise UserError(
            f"export={path}: {model_class.__name__} is not in Stable-Baselines3, so its agents "
            f"cannot be exported"
        )
    if path.suffix != ".zip":
        raise UserError(f"export={path}: the file must end in .zip")
    if not path.parent.is_dir():
        raise UserError(f"export={path}: there is no folder {path.parent}")


def export_policy(model: object, path: Path) -> list[Path]:
    """
    Write an agent for plain SB3.

    :param model: of one of our classes, or of SB3's
    :param path: of the file, ending in .zip
    :return: the files written: the agent, and the statistics of its normalisation if it has any
    :raises UserError: if SB3 has no such algorithm, or the file cannot be written
    """
    check_export(type(model), path)
    plain = plain_agent(model)
    if plain is None:
        raise UserError(
            f"export={path}: {type(model).__name__} acts otherwise than its policy does in plain "
            f"Stable-Baselines3, so it cannot be exported"
        )
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        plain.save(file)
    statistics = path.with_suffix(".vecnormalize.pkl")
    return [path, statistics] if write_normalization(model, statistics) else [path]


def write_normalization(model: object, path: Path) -> bool:
    """
    Write the statistics of an agent's normalisation for ``VecNormalize.load``, if it has any.

    :param model: with its environment
    :param path: of the file
    :return: whether there are any
    """
    if not isinstance(model, ExploresEnvironments):
        return False
    normalization = model.get_vec_normalize_env()
    if not isinstance(normalization, VecNormalize):
        return False
    with atomic_path(path) as temporary:
        normalization.save(str(temporary))
    return True


def plain_agent(model: object) -> BaseAlgorithm | None:
    """
    Build an agent of SB3's own class that acts as another does; its optimisers are fresh.

    :param model: of one of our classes, or of SB3's
    :return: None where SB3 has no such algorithm or policy, or where the algorithm makes more of
        its policy than SB3 would
    """
    if not isinstance(model, BaseAlgorithm):
        return None
    library_class = _library_class(type(model))
    if library_class is None or not model.policy_class.__module__.startswith(_LIBRARIES):
        return None
    with th.random.fork_rng():  # building networks draws their first weights
        plain = _plain_copy(model, library_class)
    return plain if _acts_alike(plain, model) else None


def folds_exactly(model: object) -> bool:
    """
    Tell whether a plain agent acts exactly as this one, to rounding.

    :param model: any agent
    """
    return not isinstance(model, ReadsInputs) or model.folds_exactly


class WatchedInputs:
    """
    An agent that counts how often the clip of its inputs acts.

    :param model: reads inputs
    """

    def __init__(self, model: ReadsInputs) -> None:
        self._model = model
        self._shares: list[float] = []

    @property
    def clipped_share(self) -> float:
        """Of all inputs so far."""
        return fmean(self._shares)

    def predict(self, observation: Any, *args: Any, **kwargs: Any) -> tuple[np.ndarray, Any]:
        """Choose as the agent does."""
        self._shares.append(self._model.inputs.clipped_share(observation))
        return self._model.predict(observation, *args, **kwargs)  # type: ignore[attr-defined]


def _library_class(model_class: type) -> type[BaseAlgorithm] | None:
    for found in model_class.__mro__:
        if found.__module__.startswith(_LIBRARIES) and getattr(found, "policy_aliases", None):
            return found
    return None


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
    folding = model if isinstance(model, ReadsInputs) and model.inputs.changes else None
    plain.policy_kwargs = folding.plain_policy_kwargs() if folding else model.policy_kwargs
    plain.observation_space = model.observation_space
    plain.action_space = model.action_space
    plain.n_envs = 1
    _set_up(plain)
    if folding:
        folding.fold_into(plain.policy)
    else:
        plain.policy.load_state_dict(model.policy.state_dict())
    for name in _COUNTERS:
        if name in vars(plain) and name in vars(model):
            setattr(plain, name, getattr(model, name))
    for name in model._get_torch_save_params()[1]:  # the entropy coefficient
        getattr(plain, name).data.copy_(getattr(model, name).data)
    return plain


def _set_up(plain: Any) -> None:
    """Make the networks; memory for transitions is not needed."""
    n_transitions = getattr(plain, "buffer_size", None)
    if n_transitions is None:
        plain._setup_model()
        return
    plain.buffer_size = 1
    plain._setup_model()
    plain.buffer_size = n_transitions


def _acts_alike(plain: BaseAlgorithm, model: BaseAlgorithm) -> bool:
    """Compare actions where the agent stands: an own ``predict`` may make more of the policy."""
    seen = getattr(model, "_last_obs", None)
    if seen is None or not folds_exactly(model):
        return True
    ours, theirs = (agent.predict(seen, deterministic=True)[0] for agent in (model, plain))
    return bool(np.allclose(ours, theirs, rtol=_TOLERANCE, atol=_TOLERANCE))
