"""What ``conf/search.yaml`` holds, and whether it makes sense, before anything is written."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import MISSING, DictConfig, OmegaConf

from interface.config import LARGEST_SEED, Direction
from interface.errors import UserError
from interface.objective import criteria
from interface.ranges import Count, Range, at_least, between, more_than, ranges_of
from interface.resolvers import REPOSITORY
from util.nearest_name import nearest_name

_ARGUMENT = Range(
    lambda text: "{key}" in text and "{value}" in text,
    "a pattern with {key} and {value}, e.g. --{key}={value}",
)
_IN_A_FOLDER = Range(
    lambda text: not Path(text).is_absolute() and ".." not in Path(text).parts,
    "a path within the folder of a run, which every run has for itself",
)
_RANGES = "hydra.sweeper.params="  # the other place where they may be
_NEEDED = {
    "script": "the training script, e.g. script=train.py",
    "report": "the file with its metrics, within the folder of a run, e.g. report=progress.csv",
    "early_stop_data_column": "the name of the score in that file, e.g. eval/mean_reward",
    "early_stop_threshold": "the score that is good enough",
}


@dataclass
class ScriptSearchConfig:
    """A search over a script; the YAML explains each."""

    script: str = MISSING
    python: str | None = MISSING
    arguments: dict[str, Any] = field(default_factory=dict)
    argument: Annotated[str, _ARGUMENT] = MISSING
    seed: Annotated[int, between(0, LARGEST_SEED)] = MISSING
    seed_argument: str | None = MISSING
    folder_argument: str | None = MISSING
    report: Annotated[str, _IN_A_FOLDER] = MISSING
    step_column: str = MISSING
    step_counts: str = MISSING
    n_epochs: Count = MISSING
    eval_after_n_steps: Count = MISSING
    max_minutes: Annotated[float | None, more_than(0)] = MISSING
    early_stop_data_column: str = MISSING
    early_stop_threshold: float = MISSING
    early_stop_last_n: Count = MISSING
    early_stop_direction: Direction = MISSING
    hyperopt_criterion: Any = MISSING
    hyperopt_direction: Any = MISSING
    poll_seconds: Annotated[float, more_than(0)] = MISSING
    grace_seconds: Annotated[float, at_least(0)] = MISSING
    run_monitor: Any = MISSING
    data_dir: str = MISSING


_SCHEMA = OmegaConf.structured(ScriptSearchConfig)
OmegaConf.set_struct(_SCHEMA.arguments, False)  # they are the script's, we know none of them
ConfigStore.instance().store(name="search_schema", node=_SCHEMA)


def check_command(words: Sequence[str]) -> None:
    """
    Check a command line before Hydra makes a folder for it.

    :param words: of the command line, without the program
    :raises UserError: naming what is wrong and what would be right
    """
    overrides = [text for text in words if "=" in text and not text.startswith("-")]
    for text in overrides:
        _check_key(text.partition("=")[0].lstrip("+~"))
    parsed = OverridesParser.create().parse_overrides(overrides)
    is_range = [one.is_sweep_override() for one in parsed]
    fixed = [text for text, one in zip(overrides, is_range, strict=True) if not one]
    with initialize_config_dir(str(REPOSITORY / "conf")):
        check_settings(compose("search", overrides=fixed))
    if not any(is_range) and not any(_RANGES in text for text in fixed):
        raise UserError(
            "there is nothing to search: give an argument of the script a range, e.g. "
            "'arguments.learning_rate=tag(log, interval(1e-4, 1e-2))'"
        )


def _check_key(key: str) -> None:
    known = [one.name for one in fields(ScriptSearchConfig)]
    first = key.replace("/", ".").replace("@", ".").partition(".")[0]
    if first in (*known, "hydra"):
        return
    close = nearest_name(key, known)
    question = f"did you mean {close}? " if close else ""
    raise UserError(
        f"unknown key {key!r}; {question}An argument of the script is written arguments.{key}=..."
    )


def check_settings(cfg: DictConfig) -> None:
    """
    Check what a search is to do.

    :param cfg: of ``conf/search.yaml``
    :raises UserError: naming what is wrong and what would be right
    """
    for key, what in _NEEDED.items():
        if OmegaConf.is_missing(cfg, key):
            raise UserError(f"{key}= is missing: {what}")
    for key, allowed in ranges_of(ScriptSearchConfig).items():
        if not allowed.holds(cfg[key]):
            raise UserError(f"{key}={cfg[key]} must be {allowed.wanted}")
    if cfg.step_counts not in ("total", "since_last"):
        raise UserError(f"step_counts={cfg.step_counts} must be total or since_last")
    criteria(cfg)
    script = Path(cfg.script)
    if not script.is_file():
        beside = [path.name for path in script.parent.glob("*.py")]
        close = nearest_name(script.name, beside)
        question = f"; did you mean {script.with_name(close)}?" if close else ""
        raise UserError(f"script={script}: there is no such file{question}")
    if shutil.which(python_of(cfg)) is None:
        raise UserError(f"python={cfg.python}: there is no such program")


def python_of(cfg: DictConfig) -> str:
    """
    Tell which Python runs the script.

    :param cfg: of ``conf/search.yaml``
    """
    return sys.executable if cfg.python is None else str(Path(cfg.python).expanduser())
