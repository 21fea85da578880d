"""Errors that are the user's to mend, told in one sentence and without a traceback."""

from collections.abc import Iterable

from util.nearest_name import did_you_mean


class UserError(ValueError):
    """Wrong input. The message names the value got and what would be right."""


def unknown_name(kind: str, wrong: str, known: Iterable[str]) -> UserError:
    """
    Make the error for a name that does not exist.

    :param kind: what the name stands for, e.g. ``"environment"``
    :param wrong: what was typed
    :param known: the names that exist
    """
    return UserError(f"unknown {kind} {wrong!r}{did_you_mean(wrong, known)}")
