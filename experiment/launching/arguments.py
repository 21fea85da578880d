"""How a script's arguments are spelled."""

import json
from typing import Any

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


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
