"""
The values that a setting may take, declared next to it as ``Annotated[<type>, <range>]``.

>>> from dataclasses import dataclass
>>> @dataclass
... class Search:
...     n_trials: Count = 20
...     warm_up: Annotated[float, between(0, 1)] = 0.25
>>> {name: allowed.wanted for name, allowed in ranges_of(Search).items()}
{'n_trials': 'at least 1', 'warm_up': 'from 0 to 1'}
"""

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, get_type_hints


@dataclass(frozen=True)
class Range:
    """
    The values that a setting may take.

    :param holds: tells whether a value is one of them
    :param wanted: the same in words, as they follow "must be"
    """

    holds: Callable[[Any], bool]
    wanted: str


def at_least(bound: float) -> Range:
    """
    Make a range of numbers; None, where a type allows it, is not judged.

    :param bound: least value
    """
    return Range(lambda value: value is None or value >= bound, f"at least {bound}")


def more_than(bound: float) -> Range:
    """
    Make a range of numbers; None, where a type allows it, is not judged.

    :param bound: not one of the values itself
    """
    return Range(lambda value: value is None or value > bound, f"more than {bound}")


def between(low: float, high: float) -> Range:
    """
    Make a range of numbers; None, where a type allows it, is not judged.

    :param low: least value
    :param high: greatest value
    """
    return Range(lambda value: value is None or low <= value <= high, f"from {low} to {high}")


Count = Annotated[int, at_least(1)]
"""A number of things that there must be."""


def ranges_of(schema: type) -> dict[str, Range]:
    """
    Read the ranges of a dataclass and of those within it.

    :param schema: a dataclass
    :return: by dotted key, of the fields that have a range
    """
    found: dict[str, Range] = {}
    for name, hint in get_type_hints(schema, include_extras=True).items():
        if is_dataclass(hint):
            inner = ranges_of(hint)  # type: ignore[arg-type]
            found |= {f"{name}.{key}": allowed for key, allowed in inner.items()}
        elif (allowed := range_of(hint)) is not None:
            found[name] = allowed
    return found


def range_of(hint: Any) -> Range | None:
    """
    Read the range in a type.

    :param hint: of a field or an argument
    :return: None if it has none
    """
    notes = getattr(hint, "__metadata__", ())
    return next((note for note in notes if isinstance(note, Range)), None)
