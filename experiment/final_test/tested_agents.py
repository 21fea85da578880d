"""Where an agent to test comes from: a run of ours, or a file of plain Stable-Baselines3."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import hydra.utils
from omegaconf import DictConfig, OmegaConf
from stable_baselines3.common.vec_env import VecEnv

from experiment.final_test.sb3_files import load_sb3, load_sb3_normalization, sb3_class
from experiment.run_folder.checkpoint import (
    has_our_classes,
    load_agent,
    load_normalization,
    read_meta,
)
from experiment.run_folder.continuation import missing_checkpoint
from experiment.run_folder.run_directory import BEST, best_run, find_run, load_config
from experiment.run_folder.trust import warn_of_foreign_code
from interface.config import EnvConfig
from interface.errors import UserError, unknown_name
from interface.learner import Learner
from interface.run_files import LAST

CHECKPOINTS = tuple(name.removesuffix(".zip") for name in (BEST, LAST))


@dataclass
class AgentFile(ABC):
    """
    An agent that is not loaded yet.

    :param path: of its file
    :param cfg: its environment, and how to film it; of a run: all of its config
    """

    path: Path
    cfg: DictConfig

    @abstractmethod
    def title(self) -> str:
        """Say which agent it is."""

    @abstractmethod
    def model_class(self) -> type:
        """Name its class without loading it."""

    @abstractmethod
    def load_normalization(self, venv: VecEnv) -> VecEnv:
        """Wrap environments as the agent was used to."""

    @abstractmethod
    def load(self, venv: VecEnv, device: str) -> Learner:
        """Load the agent."""


class OfRun(AgentFile):
    """The checkpoint of a run."""

    def title(self) -> str:
        """Name the run, and when the checkpoint was written."""
        meta = read_meta(self.path)
        return f"{self.path.parent}\n{self.path.stem}: step {meta.step}, epoch {meta.epoch}"

    def model_class(self) -> type:
        """Read it from the checkpoint."""
        found: type = hydra.utils.get_class(read_meta(self.path).model_class)
        return found

    def load_normalization(self, venv: VecEnv) -> VecEnv:
        """Take the statistics of the checkpoint."""
        return load_normalization(self.path, venv)

    def load(self, venv: VecEnv, device: str) -> Learner:
        """Load the agent as it was trained."""
        return load_agent(self.path, self.cfg, venv, device)


class OfSb3(AgentFile):
    """A file of plain SB3."""

    def title(self) -> str:
        """Name the file."""
        return f"{self.path}, by plain Stable-Baselines3"

    def model_class(self) -> type:
        """Find it by the policy."""
        return sb3_class(self.path)

    def load_normalization(self, venv: VecEnv) -> VecEnv:
        """Take the statistics that lie beside the file."""
        return load_sb3_normalization(self.path, self.cfg.env.id, venv)

    def load(self, venv: VecEnv, device: str) -> Learner:
        """Load the agent by SB3's class."""
        return load_sb3(self.path, venv, device)


def exported_file(path: Path, of: AgentFile) -> AgentFile:
    """
    Take an exported agent for what it is, a file of plain SB3.

    :param path: of the file
    :param of: which it was exported from
    """
    return OfSb3(path, of.cfg)


def find_agent(cfg: DictConfig, reference: str, algorithm: str | None = None) -> AgentFile:
    """
    Find an agent.

    :param cfg: of ``conf/evaluate.yaml``
    :param reference: a run, or an SB3 file ending in .zip
    :param algorithm: of which ``best`` is asked for, None: any
    :raises UserError: if there is none
    """
    if cfg.checkpoint not in CHECKPOINTS:
        raise unknown_name("checkpoint", cfg.checkpoint, CHECKPOINTS)
    is_file = reference.endswith(".zip")
    path = (
        Path(reference) if is_file else _run_of(cfg, reference, algorithm) / f"{cfg.checkpoint}.zip"
    )
    if not path.is_file():
        raise UserError(f"there is no file {path}" if is_file else missing_checkpoint(path))
    warn_of_foreign_code(path, Path(cfg.data_dir), trusted=cfg.trust)
    if not is_file:
        return OfRun(path, _config_of(path.parent, cfg))
    if has_our_classes(path):
        raise UserError(f"{path} is a checkpoint of Subgoal, not of plain SB3; give its folder")
    if cfg.get("env") is None:
        raise UserError(f"{path} does not say which environment it is for; add env=...")
    env = OmegaConf.merge(OmegaConf.structured(EnvConfig), cfg.env)
    return OfSb3(path, OmegaConf.create({"env": env, "imports": [], "render": _render_of(cfg)}))


def _run_of(cfg: DictConfig, reference: str, algorithm: str | None) -> Path:
    """Find a run; ``best`` is asked for with ``env=`` and perhaps ``algorithm=``."""
    data_dir = Path(cfg.data_dir)
    if reference != "best":
        return find_run(reference, data_dir)
    if cfg.get("env") is None:
        raise UserError("run=best needs env=..., because scores of environments do not compare")
    return best_run(cfg.env.id, algorithm, data_dir)


def _config_of(run_dir: Path, cfg: DictConfig) -> DictConfig:
    """Read a run's config; keys of an environment that are younger than the run are as ever."""
    own = load_config(run_dir)
    env = OmegaConf.merge(OmegaConf.structured(EnvConfig), own.env)
    merged = OmegaConf.merge(own, {"env": env, "render": _render_of(cfg)})
    assert isinstance(merged, DictConfig)
    return merged


def _render_of(cfg: DictConfig) -> DictConfig:
    """Take how to film from the command; the camera is left to the environment of the run."""
    render = cfg.render.copy()
    render.n_episodes = min(cfg.render.n_episodes, cfg.n_episodes)
    return render
