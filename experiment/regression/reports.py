"""The results of a matrix: one table for the terminal and for Markdown, and JUnit XML for CI."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from rich.table import Table
from rich.text import Text

from experiment.regression.live_table import STYLES
from experiment.regression.matrix import State, Verdict
from experiment.regression.runner import Progress
from util.atomic_write import atomic_write_text

COLUMNS = (
    "row",
    "verdict",
    "passed",
    "wanted",
    "value",
    "steps",
    "steps/s",
    "minutes",
    "before",
    "remark",
)


@dataclass(frozen=True)
class Line:
    """
    What the table says of a row.

    :param state: of the row
    :param cells: one text for each of ``COLUMNS``
    """

    state: State
    cells: tuple[str, ...]


def lines_of(progress: Sequence[Progress], before: Mapping[str, str]) -> list[Line]:
    """
    Say of each row what came out.

    :param progress: of all rows
    :param before: of an earlier commit, by row name
    """
    return [_line(one, before.get(one.row.name, "")) for one in progress]


def _line(one: Progress, before: str) -> Line:
    verdicts = list(one.verdicts.values())
    passed = sum(verdict.passed for verdict in verdicts)
    cells = (
        one.row.name,
        one.state.value,
        f"{passed}/{len(verdicts)}",
        one.row.note or f"{one.row.required} of {len(one.row.jobs)}",
        _listed(verdicts, "value", ".2f"),
        _listed(verdicts, "steps", ".0f"),
        _median(verdicts, "steps_per_second", ".0f"),
        f"{_minutes(verdicts):.1f}",
        before,
        "; ".join(remarks(one)),
    )
    return Line(one.state, cells)


def remarks(one: Progress) -> list[str]:
    """
    List the causes of failures, and the warnings.

    :param one: the row
    """
    seeds = sorted(one.verdicts.items())
    causes = [f"seed {seed}: {verdict.message}" for seed, verdict in seeds if not verdict.passed]
    return causes + [f"seed {seed}: {v.warning}" for seed, v in seeds if v.warning]


def terminal_table(lines: Sequence[Line]) -> Table:
    """
    Draw the table for a terminal.

    :param lines: of all rows
    """
    table = Table(*COLUMNS[:-1], box=None)
    for line in lines:
        cells = [Text(cell) for cell in line.cells[:-1]]
        cells[1].stylize(STYLES[line.state])
        table.add_row(*cells)
    return table


def write_markdown(
    path: Path, title: str, lines: Sequence[Line], left_out: Mapping[str, str]
) -> None:
    """
    Write the table as Markdown.

    :param path: of the file
    :param title: what was run, where, and how long it took
    :param lines: of all rows
    :param left_out: reasons by row name
    """
    text = [title, "", f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    text += [
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line.cells) + " |" for line in lines
    ]
    if left_out:
        text += ["", f"Left out: {_listed_reasons(left_out)}."]
    atomic_write_text(path, "\n".join(text) + "\n")


def _listed_reasons(left_out: Mapping[str, str]) -> str:
    """
    List what was left out, by reason.

    :param left_out: reasons by row name
    """
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        reasons.setdefault(reason, []).append(name)
    return "; ".join(f"{reason}: {', '.join(names)}" for reason, names in reasons.items())


def write_junit(
    path: Path, suite: str, progress: Sequence[Progress], left_out: Mapping[str, str]
) -> None:
    """
    Write JUnit XML, a test case for each row.

    :param path: of the file
    :param suite: its name
    :param progress: of all rows
    :param left_out: reasons by row name; skipped cases
    """
    root = ElementTree.Element("testsuite", name=suite, tests=str(len(progress) + len(left_out)))
    for one in progress:
        seconds = 60 * _minutes(list(one.verdicts.values()))
        case = ElementTree.SubElement(
            root, "testcase", classname=suite, name=one.row.name, time=f"{seconds:.1f}"
        )
        if one.state != State.PASSED:
            ElementTree.SubElement(
                case, "failure", message="; ".join(remarks(one)) or one.state.value
            )
    for name, reason in left_out.items():
        case = ElementTree.SubElement(root, "testcase", classname=suite, name=name)
        ElementTree.SubElement(case, "skipped", message=reason)
    failed = sum(one.state != State.PASSED for one in progress)
    root.set("failures", str(failed))
    root.set("skipped", str(len(left_out)))
    ElementTree.indent(root)
    atomic_write_text(path, ElementTree.tostring(root, encoding="unicode") + "\n")


def _listed(verdicts: Sequence[Verdict], metric: str, form: str) -> str:
    return ", ".join(format(v.metrics[metric], form) for v in verdicts if metric in v.metrics)


def _median(verdicts: Sequence[Verdict], metric: str, form: str) -> str:
    values = [verdict.metrics[metric] for verdict in verdicts if metric in verdict.metrics]
    return format(statistics.median(values), form) if values else ""


def _minutes(verdicts: Sequence[Verdict]) -> float:
    return sum(verdict.metrics.get("minutes", 0.0) for verdict in verdicts)
