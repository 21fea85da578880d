"""Values that a config computes: the repository's folder, a fresh seed, a run's folder name."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

REPOSITORY = Path(__file__).resolve().parent.parent

# A folder name shows what was changed, unless another part of the path says so already.
_SAID_ELSEWHERE = re.compile(r"(env|algorithm|seed|data_dir|restore|tracking\.uri|hydra\..*)=")
_MAX_LENGTH = 120


def changed_overrides(overrides: Sequence[str]) -> str:
    """
    Shorten the overrides of a run to the end of a folder name.

    :param overrides: as on the command line
    :return: e.g. ``"-gamma=0.9-batch_size=64"``, safe on any file system; empty if nothing changed
    """
    changed = sorted(text for text in overrides if not _SAID_ELSEWHERE.match(text.lstrip("+~")))
    name = "-".join(re.sub(r"^\S*\.(?=\w+=)", "", text) for text in changed)
    name = re.sub(r"[^\w.,=+-]+", "_", name)[:_MAX_LENGTH]
    return f"-{name}" if name else ""


def register_resolvers() -> None:
    """Make ``${repository:}``, ``${fresh_seed:}`` and ``${changed_overrides:...}`` known."""
    for name, resolver in (
        ("repository", lambda: str(REPOSITORY)),
        ("fresh_seed", lambda: random.SystemRandom().randrange(1_000_000)),
        ("changed_overrides", changed_overrides),
    ):
        OmegaConf.register_resolver(name, resolver, replace=True, use_cache=name == "fresh_seed")
