"""Where a run comes from: parameters, code, versions, machine."""

import hashlib
import importlib.metadata
import json
import platform
import subprocess
import zipfile
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from interface.resolvers import REPOSITORY
from util.atomic_write import atomic_path

_PACKAGES = (
    "torch",
    "stable-baselines3",
    "sb3-contrib",
    "gymnasium",
    "gymnasium-robotics",
    "mujoco",
    "numpy",
)

_LARGEST_NEW_FILE_BYTES = 1_000_000

# Leaves that say nothing of the experiment, or may hold a password.
_NOT_A_PARAM = ("tracking.", "hydra.", "restore", "data_dir", "trial_monitor.", "search_space.")


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
    for name in (_git("ls-files", "--others", "--exclude-standard") or "").splitlines():
        changes += name + hashlib.sha256((REPOSITORY / name).read_bytes()).hexdigest()
    digest = hashlib.sha256(changes.encode()).hexdigest()[:8]
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


def write_source_snapshot(path: Path) -> bool:
    """
    Keep the code of a run: the committed files, and ``changes.patch`` with what differs.

    :param path: of the zip file
    :return: whether there is a git checkout to take it from
    """
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return False
    with atomic_path(path) as temporary:
        _git("archive", "--format=zip", f"--output={temporary}", "HEAD")
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr("commit.txt", commit)
            archive.writestr("changes.patch", _git("diff", "HEAD") or "")
            for name in (_git("ls-files", "--others", "--exclude-standard") or "").splitlines():
                if (REPOSITORY / name).stat().st_size <= _LARGEST_NEW_FILE_BYTES:
                    archive.write(REPOSITORY / name, name)
    return True


def _git(*arguments: str) -> str | None:
    """Run git in the repository; None if there is no git or no commit."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
