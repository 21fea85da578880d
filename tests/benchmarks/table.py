"""Markdown from the results."""

import statistics
from typing import Any

_OURS_AND_SBX = ("eager", "native", "compile", "native, 2 threads", "native, overlap", "sbx")


def markdown(results: dict[str, Any]) -> str:
    """
    Write medians per step, and how many times faster than SB3 that is, with quartiles over rounds.

    :param results: of ``training_speed``, by comparison
    """
    head = [
        "",
        "SB3",
        *_OURS_AND_SBX,
        "floor: ms, SB3's and ours' distance",
        "first compile",
        "load",
    ]
    lines = [row(head), row(["---"] * len(head))]
    lines += [row(compared(name, m)) for name, m in results.items() if "rounds" in m]
    for name, measured in results.items():
        if "rounds" not in measured:
            lines += ["", f"{name}: {listed(measured)}"]
    commits = sorted({measured["measured"].partition(", load")[0] for measured in results.values()})
    return "\n".join([*lines, "", f"Measured: {'; '.join(commits)}.", ""])


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def compared(name: str, measured: dict[str, Any]) -> list[str]:
    """Fill one line of the table."""
    rounds = measured["rounds"]
    medians = {peer: statistics.median(values) for peer, values in rounds.items()}
    # at its better number of threads
    theirs = min((peer for peer in rounds if peer.startswith("sb3")), key=medians.__getitem__)
    cells = [name, duration(medians[theirs])]
    cells += [
        f"{duration(medians[peer])}, {times(rounds, peer, theirs)}" if peer in rounds else ""
        for peer in _OURS_AND_SBX
    ]
    load = measured["measured"].rpartition("load ")[2]
    floor = measured.get("floor")
    if floor is None:
        return [*cells, "", "", load]
    distances = f"{medians[theirs] / floor:.1f}x, {medians['native'] / floor:.1f}x"
    first = measured["first_step"].get("compile")
    return [*cells, f"{duration(floor)}, {distances}", f"{first:.0f} s" if first else "", load]


def times(rounds: dict[str, list[float]], peer: str, theirs: str) -> str:
    """Divide round by round: what slowed the machine then slowed both."""
    ratios = [a / b for a, b in zip(rounds[theirs], rounds[peer], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"**{middle:.2f}** ({low:.2f}-{high:.2f})"


def listed(measured: dict[str, Any]) -> str:
    """List a split in ms, or memory in the unit of its name."""
    parts = []
    for name, value in measured.items():
        if isinstance(value, dict):
            parts.append(f"{name} ({', '.join(f'{key} {ms:.2f} ms' for key, ms in value.items())})")
        elif name != "measured":
            parts.append(f"{name} {value:.0f}")
    return "; ".join(parts)


def duration(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds > 5e-4 else f"{seconds * 1e6:.0f} us"
