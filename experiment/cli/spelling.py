"""Arguments that are spelled as another program's would be, and how they are spelled here."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser

from experiment.cli.composition_errors import keys_in_use, nearest_key
from experiment.cli.config_groups import CONF, groups_of, options_of
from interface.errors import UserError
from util.nearest_name import nearest_name

# of our own, which Hydra does not know
_FLAGS = ("--plan",)
_KINDS = {int: "an integer", list: "a list, e.g. [a,b]", bool: "true or false"}
_KEYS_OF_RUNS = ("run", "runs", "restore")


def check_spelling(arguments: Sequence[str], config_name: str) -> None:
    """
    Refuse flags that there are not, and words that are no ``key=value``.

    :param arguments: of the command line, without the program
    :param config_name: of the command
    :raises UserError: naming the first of them and what it may have meant
    """
    hydras = [text for text in arguments if text not in _FLAGS]
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        known, unknown = parser.parse_known_intermixed_args(hydras)
    except argparse.ArgumentError as error:
        raise UserError(str(error)) from error
    flags = [text for text in unknown if text.startswith("-")]
    if flags:
        meant = _meant_by_flag(flags[0], arguments, config_name)
        raise UserError(f"there is no flag {flags[0]}: values are given as key=value{meant}")
    for word in [*known.overrides, *unknown]:
        if "=" not in word and not word.startswith("~"):
            raise UserError(f"{word!r} is no key=value{_meant_by_word(word, config_name)}")


def check_types(arguments: Sequence[str], config_name: str) -> None:
    """
    Refuse values that are of another kind than the defaults; the main config has a schema for that.

    :param arguments: of the command line, spelled right
    :param config_name: of the command
    :raises UserError: naming key and value
    """
    defaults = yaml.safe_load((CONF / f"{config_name}.yaml").read_text(encoding="utf-8"))
    for argument in arguments:
        key, _, text = argument.partition("=")
        kind = type(defaults.get(key))
        if config_name == "main" or kind not in _KINDS:
            continue
        (override,) = OverridesParser.create().parse_overrides([argument])
        if not override.is_sweep_override() and not isinstance(override.value(), kind):
            raise UserError(f"{key} must be {_KINDS[kind]}, got {text}")


def _meant_by_flag(flag: str, arguments: Sequence[str], config_name: str) -> str:
    name, _, value = flag.lstrip("-").partition("=")
    key = nearest_key(name.replace("-", "_"), keys_in_use(config_name, []))
    after = [*arguments[arguments.index(flag) + 1 :], "..."][0]
    if not value:
        value = "..." if after.startswith("-") or "=" in after else after
    return f"; did you mean {key}={value}?" if key else ""


def _meant_by_word(word: str, config_name: str) -> str:
    """Complete the name of a run, or of one of a group, e.g. an environment's id."""
    if word in ("latest", "best") or Path(word).exists():
        keys = [key for key in _KEYS_OF_RUNS if key in keys_in_use(config_name, [])]
        return f"; did you mean {keys[0]}={word}?" if keys else ""
    of_group = {
        name: f"{group}={name}"
        for group, names in options_of(groups_of(config_name)).items()
        for name in names
    }
    near = nearest_name(word, of_group)
    return f"; did you mean {of_group[near]}?" if near else ""
