"""
Checkpoints: SB3's own model files with a few members more.

``last.zip`` holds everything that a run needs to go on; ``best_model.zip`` what is needed to use
the agent. Both load in SB3 with ``Class.load(path)``, which ignores the further members.
"""

import io
import json
import logging
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra.utils
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from experiment.random_state import random_state, set_random_state
from interface.errors import UserError
from interface.learner import Remembers, Resumable
from interface.run_files import META
from util.atomic_write import atomic_path

log = logging.getLogger(__name__)

_NORMALIZATION = "normalization.pkl"
_REPLAY_BUFFER = "replay_buffer.pkl"
_RANDOM_STATE = "random_state.pkl"


@dataclass(frozen=True)
class Meta:
    """
    What a checkpoint says of itself.

    :param model_class: dotted path of the model's class
    :param step: environment steps made
    :param epoch: number of the last epoch that was evaluated
    :param next_episodes: for each training environment, the number of its next episode
    """

    model_class: str
    step: int
    epoch: int
    next_episodes: list[int]


def save_checkpoint(path: Path, model: BaseAlgorithm, epoch: int, *, resumable: bool) -> None:
    """
    Write a checkpoint in one step; a kill leaves the old file or the new one.

    :param path: ends in .zip
    :param model: with its environment
    :param epoch: number of the last epoch that was evaluated
    :param resumable: include replay buffer and random states
    """
    env = model.get_env()
    meta = Meta(
        model_class=f"{type(model).__module__}.{type(model).__qualname__}",
        step=model.num_timesteps,
        epoch=epoch,
        next_episodes=env.get_attr("next_episode") if env is not None else [],
    )
    with atomic_path(path) as temporary:
        with temporary.open("wb") as file:
            model.save(file)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(META, json.dumps(vars(meta)))
            if isinstance(env, VecNormalize):
                _write_pickle(archive, _NORMALIZATION, env)
            if resumable:
                state = random_state(model)
                if isinstance(env, VecNormalize):
                    state["returns"] = env.returns  # SB3's pickle leaves them out
                _write_pickle(archive, _RANDOM_STATE, state)
                if isinstance(model, Remembers):
                    _write_pickle(archive, _REPLAY_BUFFER, model.replay_buffer)


def read_meta(path: Path) -> Meta:
    """
    Read what a checkpoint says of itself.

    :param path: of the checkpoint
    :raises UserError: if there is no checkpoint, or it is damaged or foreign
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            if broken is not None:
                raise UserError(f"the checkpoint {path} is damaged: in {broken}")
            return Meta(**json.loads(archive.read(META)))
    except FileNotFoundError:
        raise UserError(f"there is no checkpoint {path}") from None
    except KeyError:
        raise UserError(f"{path} was not written by Subgoal: it has no {META}") from None
    except (zipfile.BadZipFile, json.JSONDecodeError, TypeError) as error:
        raise UserError(f"the checkpoint {path} is damaged: {error}") from error


def load_normalization(path: Path, venv: VecEnv) -> VecEnv:
    """
    Wrap environments in the normalisation that a checkpoint holds, if it holds one.

    :param path: of the checkpoint
    :param venv: not normalised yet
    """
    with zipfile.ZipFile(path) as archive:
        if _NORMALIZATION not in archive.namelist():
            return venv
        normalization: VecNormalize = pickle.loads(archive.read(_NORMALIZATION))
    normalization.set_venv(venv)
    return normalization


def load_model(
    path: Path, venv: VecEnv, device: str, *, resume: bool = False, **arguments: Any
) -> BaseAlgorithm:
    """
    Load the model of a checkpoint.

    :param path: of the checkpoint
    :param venv: its environment, normalised as the checkpoint says
    :param device: where to put it
    :param resume: also load the replay buffer and the random states of all generators
    :param arguments: attributes of the model that this run decides
    :raises UserError: if the checkpoint is damaged, or made for other spaces
    """
    model_class: type[BaseAlgorithm] = hydra.utils.get_class(read_meta(path).model_class)
    try:
        model = model_class.load(path, env=venv, device=device, **arguments)
    except ValueError as error:
        raise UserError(f"{path} does not fit this environment: {error}") from error
    if resume:
        _load_resumable(path, model)
    return model


def _load_resumable(path: Path, model: BaseAlgorithm) -> None:
    with zipfile.ZipFile(path) as archive:
        if _RANDOM_STATE not in archive.namelist():
            raise UserError(f"{path} holds an agent, but not what is needed to go on training")
        exact = isinstance(model, Resumable)
        if isinstance(model, Remembers):
            content = io.BytesIO(archive.read(_REPLAY_BUFFER))
            model.load_replay_buffer(content, truncate_last_traj=not exact)
        if isinstance(model, Resumable) and not model.resume_episodes():
            log.warning("the environment did not come back to where it was; new episodes start")
        state = pickle.loads(archive.read(_RANDOM_STATE))
    set_random_state(model, state)
    normalization = model.get_vec_normalize_env()
    if exact and normalization is not None:
        normalization.returns = state["returns"]


def _write_pickle(archive: zipfile.ZipFile, name: str, content: Any) -> None:
    with archive.open(name, "w", force_zip64=True) as member:
        pickle.dump(content, member, protocol=pickle.HIGHEST_PROTOCOL)
