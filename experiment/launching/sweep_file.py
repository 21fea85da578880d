"""A sweep in a JSON file: ``base``, values by dotted key, and keys that change together."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiment.launching.arguments import Arguments, paired
from interface.errors import UserError, unknown_name

_BASE, _PAIRED = "base", "paired_keys"


def read_sweep_file(name: str, base_argument: str) -> list[list[Arguments]]:
    """
    Read what is combined: one of each of the lists makes a run.

    :param name: of the file
    :param base_argument: argument of the script that takes the base config
    :raises UserError: if it is no such file, naming the key that is wrong
    """
    content = _read(Path(name))
    bases = content.pop(_BASE, None)
    groups = content.pop(_PAIRED, [])
    try:
        axes = [[{base_argument: path} for path in _base_files(bases)]]
        _check_values(content)
        _check_pairs(groups, content)
        together = {key for group in groups for key in group}
        axes += [paired({key: content[key]}) for key in content if key not in together]
        axes += [paired({key: content[key] for key in group}) for group in groups]
    except UserError as error:
        raise UserError(f"sweep={name}: {error}") from None
    return axes


def _read(path: Path) -> dict[str, Any]:
    if path.suffix != ".json":
        raise UserError(f"sweep={path} must be a list, e.g. [{{env:[A,B]}}], or a file in .json")
    if not path.is_file():
        raise UserError(f"sweep={path}: there is no such file")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"sweep={path} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"sweep={path} must hold an object: base, and lists of values by key")
    return content


def _base_files(bases: Any) -> list[str]:
    """List the base configs: usually there is one."""
    names = [bases] if isinstance(bases, str) else bases
    if not isinstance(names, list) or not names:
        raise UserError('"base" must name the config that all runs begin with, e.g. "base.yaml"')
    for name in names:
        if not Path(str(name)).is_file():
            raise UserError(f'"base": there is no file {name}')
    return [str(Path(name).resolve()) for name in names]


def _check_values(values: Mapping[str, Any]) -> None:
    for key, of_key in values.items():
        if not isinstance(of_key, list) or not of_key:
            raise UserError(f'"{key}" must have a list of values, got {json.dumps(of_key)}')


def _check_pairs(groups: Any, values: Mapping[str, Any]) -> None:
    if not isinstance(groups, list) or not all(isinstance(one, list) and one for one in groups):
        raise UserError('"paired_keys" must be a list of lists of keys, e.g. [["env", "n_epochs"]]')
    keys: Sequence[str] = [key for group in groups for key in group]
    for number, key in enumerate(keys):
        if key not in values:
            raise unknown_name("key in paired_keys", key, values)
        if key in keys[:number]:
            raise UserError(f'"{key}" is in paired_keys twice')
