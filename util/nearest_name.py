"""Name the known spelling that is closest to a wrong one."""

import difflib
from collections.abc import Iterable

# of the letters of both names, those that are in both in the same order
_NEAR = 0.65
# letters that are enough to name what begins with them
_BEGINNING = 3


def nearest_name(wrong: str, known: Iterable[str]) -> str | None:
    """
    Find the known name that was most probably meant.

    :param wrong: what was typed
    :param known: what exists; of names that are equally near, the first
    :return: the closest known name, or None if nothing comes close
    """
    names = list(known)
    nearness = [_nearness(wrong.lower(), name.lower()) for name in names]
    best = max(nearness, default=0.0)
    return names[nearness.index(best)] if best >= _NEAR else None


def _nearness(wrong: str, name: str) -> float:
    """
    Compare two names, and then their versions: ``-v0`` makes no two names alike.

    :return: from 0 to 1, a bit more where the version is right, too
    """
    (stem, version), (known_stem, known_version) = _parts(wrong), _parts(name)
    if version and not known_version:
        stem = wrong  # no name of something that has versions
    nearness = difflib.SequenceMatcher(None, stem, known_stem).ratio()
    if sorted(stem) == sorted(known_stem):
        nearness = 1.0  # letters that changed places
    elif len(stem) >= _BEGINNING and known_stem.startswith(stem):
        nearness = max(_NEAR, nearness)
    return nearness + (0.01 if version == known_version else 0.0)


def _parts(name: str) -> tuple[str, str]:
    stem, mark, version = name.rpartition("-v")
    return (stem, version) if mark and version.isdigit() else (name, "")


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """
    Tell what was probably meant, as the end of an error sentence.

    :param wrong: what was typed
    :param known: what exists
    :return: ``"; did you mean X?"``, or ``"; known: A, B, C"`` if nothing comes close
    """
    names = sorted(known)
    close = nearest_name(wrong, names)
    return f"; did you mean {close}?" if close else f"; known: {', '.join(names) or 'none'}"
