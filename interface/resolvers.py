"""Values that a config computes: the repository's folder, a fresh seed, a run's folder name."""

import hashlib
import math
import random
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

REPOSITORY = Path(__file__).resolve().parent.parent

# A folder name shows what was changed, unless another part of the path says so already.
_SAID_ELSEWHERE = re.compile(r"(env|algorithm|seed|data_dir|restore|tracking\.\w+|hydra\..*)=")
# What makes no other agent stands last: lists of runs cut names.
_MAKES_NO_OTHER_AGENT = re.compile(
    r"(n_epochs|eval_after|n_test|test_goals|early_stop|hyperopt|checkpoint|log_interval|tensorboard"
    r"|tracking|render|device|n_threads|overlap|update|n_parallel|imports|debug|trust|callbacks)"
)
_MAX_LENGTH = 120
_N_DIGITS = 8
# computed once for a config, however often it is read
_CACHED = ("fresh_seed", "sweep_name")


def changed_overrides(overrides: Sequence[str]) -> str:
    """
    Shorten the overrides of a run to the end of a folder name.

    :param overrides: as on the command line
    :return: e.g. ``"-batch_size_64-gamma_0.9"``, which neither a shell, nor Hydra, nor a file
        system takes for anything else; empty if nothing changed
    """
    said_here = [text for text in overrides if not _SAID_ELSEWHERE.match(text.lstrip("+~"))]
    last_of_each_key = {text.partition("=")[0]: text for text in said_here}
    ordered = sorted(last_of_each_key.values(), key=lambda text: (_is_last(text), _short(text)))
    name = re.sub(r"[^\w.+-]+", "_", "-".join(map(_short, ordered))).strip("_")
    if len(name) > _MAX_LENGTH:  # what is cut off still tells runs apart
        digest = hashlib.sha256(name.encode()).hexdigest()[:_N_DIGITS]
        name = f"{name[: _MAX_LENGTH - _N_DIGITS - 1]}-{digest}"
    return f"-{name}" if name else ""


def _is_last(override: str) -> bool:
    return _MAKES_NO_OTHER_AGENT.match(override.lstrip("+~")) is not None


def _short(override: str) -> str:
    """Leave out where a key lies."""
    return re.sub(r"^[^=]*\.(?=\w+=)", "", override)


def quoted(value: str) -> str:
    """
    Quote a value of an override, so that Hydra takes it as it is.

    :param value: any text
    """
    # a backslash is an escape only before a quote, and there each one counts
    escaped = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + ("\\'" if found[2] else ""), value)
    return f"'{escaped}'"


def whole_epochs(n_steps: int, *, _root_: DictConfig) -> int:
    """
    Count the epochs in which so many steps are made: ``${total_timesteps:<n_steps>}``.

    :param n_steps: of a run, in the learner's unit
    :param _root_: the main config
    :return: whole epochs, so that the last one ends at ``n_steps`` or later
    """
    return math.ceil(n_steps / max(1, _root_.eval_after_n_steps))


def register_resolvers() -> None:
    """Make ``${repository:}``, ``${fresh_seed:}`` and the others known to configs."""
    for name, resolver in (
        ("repository", lambda: str(REPOSITORY)),
        ("fresh_seed", lambda: random.SystemRandom().randrange(1_000_000)),
        ("changed_overrides", changed_overrides),
        ("total_timesteps", whole_epochs),
        ("ceil_share", lambda number, share: math.ceil(number * share)),
        ("sweep_name", lambda name: name or datetime.now().strftime("%Y-%m-%d_%H-%M-%S-sweep")),
    ):
        OmegaConf.register_resolver(name, resolver, replace=True, use_cache=name in _CACHED)
