"""Name the known spelling that is closest to a wrong one."""

import difflib
from collections.abc import Iterable


def nearest_name(wrong: str, known: Iterable[str]) -> str | None:
    """
    Find the known name that was most probably meant.

    :param wrong: what was typed
    :param known: what exists
    :return: the closest known name, or None if nothing comes close
    """
    by_lower_case = {name.lower(): name for name in known}
    close = difflib.get_close_matches(wrong.lower(), by_lower_case, n=1, cutoff=0.6)
    return by_lower_case[close[0]] if close else None


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """
    Tell what was probably meant, as the end of an error sentence.

    :param wrong: what was typed
    :param known: what exists
    :return: ``"; did you mean X?"``, or ``"; known: A, B, C"`` if nothing comes close
    """
    names = sorted(known)
    close = nearest_name(wrong, names)
    return f"; did you mean {close}?" if close else f"; known: {', '.join(names)}"
