"""
Checkpoints: SB3's own model files with a few members more, which hold other learners' files, too.

``last.zip`` holds everything that a run needs to go on, and our own classes. ``best_model.zip`` is
the agent alone, of SB3's own class where it has one: SB3's ``load`` needs nothing of this
repository. The agent as it was trained, bit by bit, is made from the run's config and the weights
in there. Further members are ignored by SB3.
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
import numpy as np
import torch as th
from omegaconf import DictConfig, OmegaConf
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import get_device
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from experiment.build.model import make_model
from experiment.run_folder.pending_metrics import PendingMetrics, pending
from experiment.run_folder.policy_export import folds_exactly, plain_agent, write_normalization
from experiment.run_folder.random_state import from_json, random_state, set_random_state, to_json
from experiment.run_folder.schema import SCHEMA, check_schema
from interface.abilities import ExploresEnvironments, ReadsInputs, Remembers, Resumable
from interface.algorithm import AlgorithmSpec
from interface.errors import UserError
from interface.learner import Learner, progress_of
from interface.run_files import META
from interface.signatures import accepted
from util.atomic_write import atomic_path

log = logging.getLogger(__name__)

NORMALIZATION = "vecnormalize.pkl"
"""Beside the agent: the name under which SB3's users look for it."""

_NORMALIZATION = "normalization.pkl"
_REPLAY_BUFFER = "replay_buffer.pkl"
_LEARNER = "learner"  # that has no zip of SB3's
_RANDOM_STATE = "random_state.json"
_PENDING = "pending_metrics.json"
# Only where the file is of SB3's own class: what its networks do not hold as they were trained.
_INPUTS = "inputs.json"
_POLICY_AS_TRAINED = "policy_as_trained.pt"  # SB3 takes each .pth for its own
_LAYERS_AS_TRAINED = "layers_as_trained.pt"  # the same, of networks that have the same layers
_POLICY = "policy.pth"  # SB3's member
_LARGEST_COMPRESSED_BYTES = 1_000_000


@dataclass(frozen=True)
class Meta:
    """
    What a checkpoint says of itself.

    :param model_class: dotted path of the model's class
    :param step: progress made, in the learner's unit
    :param epoch: number of the last epoch that was evaluated
    :param next_episodes: for each training environment, the number of its next episode
    :param schema: of our own classes in the file
    """

    model_class: str
    step: int
    epoch: int
    next_episodes: list[int]
    schema: int = 1  # files did not say so before there were two


def save_checkpoint(path: Path, model: Learner, epoch: int, *, resumable: bool) -> None:
    """
    Write a checkpoint in one step; a kill leaves the old file or the new one.

    :param path: ends in .zip
    :param model: with its environment
    :param epoch: number of the last epoch that was evaluated
    :param resumable: include replay buffer and random states; False: an agent for SB3's ``load``
    """
    env = model.get_env() if isinstance(model, ExploresEnvironments) else None
    meta = Meta(
        model_class=f"{type(model).__module__}.{type(model).__qualname__}",
        step=progress_of(model),
        epoch=epoch,
        next_episodes=env.get_attr("next_episode") if env is not None else [],
        schema=SCHEMA,
    )
    plain = None if resumable else plain_agent(model)
    if plain is not None:
        write_normalization(model, path.with_name(NORMALIZATION))
        _say_what_is_not_exact(path, model)
    with atomic_path(path) as temporary:
        _save_learner(temporary, plain or model)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(META, json.dumps(vars(meta)))
            if isinstance(env, VecNormalize):
                _write_pickle(archive, _NORMALIZATION, env)
            if plain is not None:
                _write_as_trained(archive, model, plain)
            if resumable:
                state = to_json(random_state(model))
                if isinstance(env, VecNormalize):
                    state["returns"] = env.returns.tolist()  # SB3's pickle leaves them out
                archive.writestr(_RANDOM_STATE, json.dumps(state))
                archive.writestr(_PENDING, json.dumps(pending(model.logger)))
                if isinstance(model, Remembers):
                    _write_pickle(archive, _REPLAY_BUFFER, model.replay_buffer)
        _compress(temporary)


def _compress(path: Path) -> None:
    """Compress a small file, which takes milliseconds; one with a large memory takes seconds."""
    if path.stat().st_size > _LARGEST_COMPRESSED_BYTES:
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _save_learner(path: Path, model: Learner) -> None:
    """Write what a learner says of itself: of SB3's classes their own zip, of others a member."""
    if isinstance(model, BaseAlgorithm):
        with path.open("wb") as file:
            model.save(file)
        return
    archive = zipfile.ZipFile(path, "w")
    with archive, archive.open(_LEARNER, "w", force_zip64=True) as member:
        model.save(member)


def _saved_learner(path: Path) -> Path | io.BytesIO:
    """Find what a learner wrote."""
    with zipfile.ZipFile(path) as archive:
        return io.BytesIO(archive.read(_LEARNER)) if _LEARNER in archive.namelist() else path


def _say_what_is_not_exact(path: Path, model: Learner) -> None:
    if not folds_exactly(model) and not path.exists():
        log.warning(
            "%s in plain SB3 does not clip the inputs of its networks, which only ReLU networks "
            "can hold; evaluate.py export=... tells how often that matters",
            path.name,
        )


def _write_as_trained(archive: zipfile.ZipFile, model: Learner, plain: BaseAlgorithm) -> None:
    """Keep what the networks of SB3's class hold in another form; mostly the first layers."""
    assert isinstance(model, BaseAlgorithm)
    inputs = model.inputs if isinstance(model, ReadsInputs) else None
    archive.writestr(_INPUTS, json.dumps(inputs.statistics if inputs is not None else {}))
    if inputs is None or not inputs.changes:
        return
    trained, folded = model.policy.state_dict(), plain.policy.state_dict()
    name = _POLICY_AS_TRAINED
    if trained.keys() == folded.keys():
        name = _LAYERS_AS_TRAINED
        trained = {
            key: tensor
            for key, tensor in trained.items()
            if not np.array_equal(tensor.cpu().numpy(), folded[key].cpu().numpy())
        }
    with archive.open(name, "w") as member:
        th.save(trained, member)


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


def read_pending(path: Path) -> PendingMetrics:
    """
    Read the metrics that a run had recorded and not yet logged.

    :param path: of a checkpoint to go on from
    """
    with zipfile.ZipFile(path) as archive:
        if _PENDING not in archive.namelist():
            return {}  # of an earlier version
        content: PendingMetrics = json.loads(archive.read(_PENDING))
    return content


def has_our_classes(path: Path) -> bool:
    """
    Tell a checkpoint of our own classes from any other file.

    :param path: of the file
    """
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
    return META in members and _INPUTS not in members


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


def load_agent(path: Path, cfg: DictConfig, venv: VecEnv, device: str) -> Learner:
    """
    Load the agent of a checkpoint as it was trained, to act.

    :param path: of the checkpoint
    :param cfg: of its run
    :param venv: an environment, normalised as the checkpoint says
    :param device: where to put it
    :raises UserError: if the checkpoint is damaged, or made for other spaces
    """
    read_meta(path)
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if _INPUTS not in members:
            return load_model(path, venv, device)
        inputs = json.loads(archive.read(_INPUTS))
        weights = _weights_as_trained(archive, device)
    merged = OmegaConf.merge(cfg, {"device": device})
    assert isinstance(merged, DictConfig)
    model = make_model(merged, AlgorithmSpec.of(merged.algorithm), venv)
    assert isinstance(model, BaseAlgorithm)  # others are not of an SB3 class
    try:
        model.policy.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"{path} does not fit the config of its run: {error}") from error
    if isinstance(model, ReadsInputs):
        model.inputs.statistics = inputs
    return model


def _weights_as_trained(archive: zipfile.ZipFile, device: str) -> dict[str, th.Tensor]:
    members = archive.namelist()
    whole = _POLICY_AS_TRAINED if _POLICY_AS_TRAINED in members else _POLICY
    weights: dict[str, th.Tensor] = {}
    for name in (whole, _LAYERS_AS_TRAINED):
        if name in members:
            content = io.BytesIO(archive.read(name))
            weights |= th.load(content, map_location=device, weights_only=True)
    return weights


def load_model(
    path: Path, venv: VecEnv | None, device: str, *, resume: bool = False, **arguments: Any
) -> Learner:
    """
    Load the model of a checkpoint of our own classes.

    :param path: of the checkpoint
    :param venv: its environment, normalised as the checkpoint says; None if it takes none
    :param device: where to put it
    :param resume: also load the replay buffer and the random states of all generators
    :param arguments: attributes of the model that this run decides
    :raises UserError: if the checkpoint is damaged, or made for other spaces
    """
    meta = read_meta(path)
    check_schema(path, meta.schema)
    model_class: type[Learner] = hydra.utils.get_class(meta.model_class)
    if resume:
        _check_resumable(path)
    try:
        offered = accepted(model_class.load, {"env": venv, "device": str(get_device(device))})
        model = model_class.load(_saved_learner(path), **offered, **arguments)
    except ValueError as error:
        raise UserError(f"{path} does not fit this environment: {error}") from error
    if resume:
        _load_resumable(path, model)
    return model


def _check_resumable(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
    if _RANDOM_STATE not in members:
        raise UserError(f"{path} holds an agent, but not what is needed to go on training")


def _load_resumable(path: Path, model: Learner) -> None:
    with zipfile.ZipFile(path) as archive:
        exact = isinstance(model, Resumable)
        if isinstance(model, Remembers):
            content = io.BytesIO(archive.read(_REPLAY_BUFFER))
            model.load_replay_buffer(content, truncate_last_traj=not exact)
        if isinstance(model, Resumable) and not model.resume_episodes():
            log.warning("the environment did not come back to where it was; new episodes start")
        state = json.loads(archive.read(_RANDOM_STATE))
    set_random_state(model, from_json(state))
    if not exact or not isinstance(model, ExploresEnvironments):
        return
    normalization = model.get_vec_normalize_env()
    if normalization is not None:
        normalization.returns = np.array(state["returns"])


def _write_pickle(archive: zipfile.ZipFile, name: str, content: Any) -> None:
    with archive.open(name, "w", force_zip64=True) as member:
        pickle.dump(content, member, protocol=pickle.HIGHEST_PROTOCOL)
