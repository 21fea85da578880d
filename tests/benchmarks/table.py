"""One markdown table from the results."""

import statistics
from typing import Any

_PEERS = (
    "eager",
    "native",
    "native, overlap",
    "native, 2 threads",
    "compile",
    "sb3",
    "sb3, 2 threads",
    "sbx",
)


def markdown(results: dict[str, Any]) -> str:
    """
    Write the table: medians, and ratios against SB3 with their quartiles over the rounds.

    :param results: of ``training_speed``, by part
    """
    lines = ["| part | library | per step | times SB3 (quartiles) | times the floor | first call |"]
    lines.append("|---|---|---|---|---|---|")
    for part, measured in results.items():
        if "rounds" in measured:
            lines += [f"| {part} | {row} |" for row in rows_of_rounds(measured)]
    for part, measured in results.items():
        if "rounds" not in measured:
            lines += [f"| {part} | {row} | | | |" for row in plain_rows(measured)]
    commits = sorted({measured["measured"] for measured in results.values()})
    return "\n".join([*lines, "", f"Measured: {'; '.join(commits)}.", ""])


def rows_of_rounds(measured: dict[str, Any]) -> list[str]:
    rounds = measured["rounds"]
    # SB3 at its better thread count
    reference = min(
        (values for name, values in rounds.items() if name.startswith("sb3")),
        key=statistics.median,
    )
    rows = []
    for name in _PEERS:
        if name not in rounds:
            continue
        seconds = statistics.median(rounds[name])
        ratios = [theirs / ours for theirs, ours in zip(reference, rounds[name], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        to_floor = f"{seconds / measured['floor']:.2f}" if "floor" in measured else ""
        first = f"{measured['first_step'][name]:.2f} s" if "first_step" in measured else ""
        ratio = f"{middle:.2f} ({low:.2f}-{high:.2f})"
        rows.append(f"{name} | {duration(seconds)} | {ratio} | {to_floor} | {first}")
    if "floor" in measured:
        rows.append(f"(floor) | {duration(measured['floor'])} | | 1 |")
    return rows


def plain_rows(measured: dict[str, Any]) -> list[str]:
    """Those of the split in ms, of memory in its own unit."""
    rows = []
    for name, value in measured.items():
        if isinstance(value, dict):
            shares = ", ".join(f"{part} {ms:.3f} ms" for part, ms in value.items())
            rows.append(f"{name} | {shares}")
        elif name != "measured":
            rows.append(f"{name} | {value:.0f}")
    return rows


def duration(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds > 1e-3 else f"{seconds * 1e6:.0f} us"
