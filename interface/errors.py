"""Errors that are the user's to mend, told in one sentence and without a traceback."""

import traceback
from collections.abc import Iterable
from pathlib import Path

from util.nearest_name import did_you_mean


class UserError(ValueError):
    """Wrong input. The message names the value got and what would be right."""

    def _render_traceback_(self) -> list[str]:
        """Let a notebook show the sentence alone; IPython asks for this name."""
        return [str(self)]


class ProgramError(RuntimeError):
    """Somebody else's program failed. The message says how: a traceback of ours tells nothing."""


def unknown_name(kind: str, wrong: str, known: Iterable[str]) -> UserError:
    """
    Make the error for a name that does not exist.

    :param kind: what the name stands for, e.g. ``"environment"``
    :param wrong: what was typed
    :param known: the names that exist
    """
    return UserError(f"unknown {kind} {wrong!r}{did_you_mean(wrong, known)}")


def told(error: Exception) -> str:
    """
    Say what somebody else's code raised, and where.

    :param error: caught
    """
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text} ({Path(place.filename).name}:{place.lineno})"
