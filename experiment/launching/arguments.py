"""Arguments of a script: which go together, and how they are spelled."""

import json
from collections.abc import Mapping
from typing import Any

from interface.errors import UserError

Arguments = dict[str, Any]


def written(argument: str, *stacked: Arguments) -> list[str]:
    """
    Write arguments; of a key that is there twice, the later one counts.

    :param argument: how the script takes one, e.g. ``--{key}={value}``; at a space, words part
    :param stacked: values by key
    :return: words of a command line
    """
    merged = {key: value for arguments in stacked for key, value in arguments.items()}
    return [
        word.format(key=key, value=_text(value))
        for key, value in merged.items()
        for word in argument.split()
    ]


def paired(values: Mapping[str, list[Any]]) -> list[Arguments]:
    """
    List what keys become that change together.

    :param values: of each key
    :raises UserError: if there are not equally many of each
    """
    n_values = {
        key: len(of_key) if isinstance(of_key, list) else 0 for key, of_key in values.items()
    }
    if len(set(n_values.values())) != 1 or 0 in n_values.values():
        raise UserError(
            f"keys of one entry of sweep change together, so each needs a list of equally many "
            f"values; got {n_values}"
        )
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
