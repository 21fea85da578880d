"""Write the table beside a picture, to read and to compute with."""

import csv
import io
from collections.abc import Sequence

from experiment.plotting.comparison import Row
from util.statistics import interval_text

_HEADER = ("env", "group", "metric", "runs", "last value", "mean over the run")


def markdown(rows: Sequence[Row]) -> str:
    """
    Lay out rows as a table.

    :param rows: of ``experiment.plotting.comparison``
    """
    cells = [
        (row.env, row.group, row.metric, str(row.n_runs), _shown(row.final), _shown(row.mean))
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [_HEADER, *cells]) for i in range(len(_HEADER))]
    lines = [_line(_HEADER, widths), _line(["-" * width for width in widths], widths)]
    return "\n".join([*lines, *(_line(line, widths) for line in cells)])


def _shown(interval: tuple[float, float, float]) -> str:
    value, low, high = interval
    return f"{value:.3f} {interval_text(low, high)}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return f"| {' | '.join(padded)} |"


def csv_text(rows: Sequence[Row]) -> str:
    """
    Write rows in full precision.

    :param rows: of ``experiment.plotting.comparison``
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    triples = [f"{name}{end}" for name in ("last", "mean") for end in ("", "_low", "_high")]
    writer.writerow(["env", "group", "metric", "runs", *triples])
    for row in rows:
        writer.writerow([row.env, row.group, row.metric, row.n_runs, *row.final, *row.mean])
    return text.getvalue()
