"""Where a run comes from: parameters, code, versions, machine."""

import hashlib
import importlib.metadata
import json
import platform
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiment.run.source_snapshot import new_files, read_new_file
from interface.resolvers import REPOSITORY
from util.git import git

_PACKAGES = (
    "torch",
    "stable-baselines3",
    "sb3-contrib",
    "gymnasium",
    "gymnasium-robotics",
    "mujoco",
    "numpy",
)

# Leaves that say nothing of the experiment, or may hold a password.
_NOT_A_PARAM = ("tracking.", "hydra.", "restore", "data_dir", "run_monitor.", "search_space.")


def config_params(cfg: DictConfig) -> dict[str, str]:
    """
    Flatten a config to one text per leaf, as params of a tracker.

    :param cfg: a resolved config
    """
    return flat_params(OmegaConf.to_container(cfg, resolve=True, enum_to_str=True))


def flat_params(content: Any) -> dict[str, str]:
    """
    Flatten a resolved config, as it was written to a run's folder.

    :param content: nested dicts
    """
    leaves: dict[str, str] = {}
    _collect(content, "", leaves)
    return {key: value for key, value in leaves.items() if not key.startswith(_NOT_A_PARAM)}


def _collect(node: Any, prefix: str, leaves: dict[str, str]) -> None:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            _collect(value, f"{prefix}.{key}" if prefix else str(key), leaves)
    else:
        leaves[prefix] = node if isinstance(node, str) else json.dumps(node)


def code_version() -> dict[str, str]:
    """Tell the git commit and whether files differ from it; empty outside a git checkout."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return {}
    return {"git.commit": commit.strip(), "git.dirty": str(bool(_git("status", "--porcelain")))}


def code_fingerprint() -> str:
    """Tell this state of the code from any other: the commit, and a digest of what differs."""
    commit = (_git("rev-parse", "--short=10", "HEAD") or "unknown").strip()
    changes = _git("diff", "HEAD") or ""
    for name in new_files(REPOSITORY):
        changes += name + hashlib.sha256(read_new_file(REPOSITORY / name) or b"").hexdigest()
    digest = hashlib.sha256(changes.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{commit}-{digest}" if changes else commit


def package_versions() -> dict[str, str]:
    """Tell the versions that decide what a run computes."""
    versions = {"version.python": platform.python_version()}
    for name in _PACKAGES:
        versions[f"version.{name}"] = importlib.metadata.version(name)
    return versions


def machine(device: str) -> dict[str, str]:
    """
    Tell where a run computes.

    :param device: of torch
    """
    return {"host": platform.node(), "platform": platform.platform(), "device": device}


def _git(*arguments: str) -> str | None:
    return git(REPOSITORY, *arguments)
