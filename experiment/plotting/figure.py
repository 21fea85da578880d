"""Draw curves by matplotlib, for papers and READMEs."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from experiment.plotting.curves import Curve
from experiment.plotting.style import (
    BAND_OPACITY,
    COLOURS,
    DASHES,
    MARKERS,
    axis_title,
    is_share,
    metric_title,
)

# (environment, metric) -> curves
Panels = Mapping[tuple[str, str], Sequence[Curve]]

_MOST_COLUMNS = 4
_PANEL_INCHES = (3.6, 2.7)
_MOST_MARKERS = 12
_LOOK: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "subgoal",
}


class ShownFigure(Figure):
    """A figure that a notebook shows where it is the last value of a cell."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        with mpl.rc_context(_LOOK):
            self.savefig(picture, format="png", dpi=100)
        return picture.getvalue()


def write_figure(panels: Panels, labels: Sequence[str], x: str, paths: Sequence[Path]) -> None:
    """
    Draw a grid of pictures: a row per metric and a column per environment if there are several.

    :param panels: curves by environment and metric
    :param labels: all groups, which fixes their colours
    :param x: steps or minutes
    :param paths: of the files; the suffix decides their format
    """
    figure = draw_figure(panels, labels, x)
    with mpl.rc_context(_LOOK):
        for path in paths:
            figure.savefig(path, dpi=150, bbox_inches="tight")


@mpl.rc_context(_LOOK)
def draw_figure(panels: Panels, labels: Sequence[str], x: str) -> Figure:
    """
    Draw, without writing.

    :param panels: curves by environment and metric
    :param labels: all groups
    :param x: steps or minutes
    """
    n_rows, n_columns = _shape(panels)
    width, height = _PANEL_INCHES
    figure = ShownFigure(figsize=(width * n_columns, height * n_rows + 0.5), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    used: dict[str, Artist] = {}
    for axes, ((env, metric), curves) in zip(grid.flat, panels.items(), strict=False):
        for curve in curves:
            used[curve.label] = _draw_curve(axes, curve, labels.index(curve.label))
        _finish(axes, env, metric, x)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    shown = [label for label in labels if label in used]
    figure.legend(
        [used[label] for label in shown],
        shown,
        loc="outside lower center",
        ncols=min(len(shown), 3 if n_columns > 1 else 1),
        frameon=False,
    )
    return figure


def _shape(panels: Panels) -> tuple[int, int]:
    n_metrics = len({metric for _, metric in panels})
    n_envs = len(panels) // n_metrics
    if n_metrics > 1 and n_envs > 1:
        return n_metrics, n_envs
    n_columns = min(len(panels), _MOST_COLUMNS)
    return -(-len(panels) // n_columns), n_columns


def _draw_curve(axes: Axes, curve: Curve, index: int) -> Artist:
    """Draw line and band; thin where some runs of the group have ended."""
    colour = COLOURS[index % len(COLOURS)]
    full = curve.n_runs == curve.n_runs.max()
    style: dict[str, Any] = {
        "color": colour,
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 4,
        "markevery": max(1, len(curve.x) // _MOST_MARKERS),
    }
    (line,) = axes.plot(curve.x, np.where(full, curve.centre, np.nan), linewidth=1.8, **style)
    if not full.all():
        axes.plot(curve.x, np.where(full, np.nan, curve.centre), linewidth=0.8, **style)
    axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=BAND_OPACITY, linewidth=0)
    if np.ptp(curve.ends[:, 0]) > 0:
        places, values = curve.ends.T
        axes.scatter(places, values, marker="|", s=30, color=colour, linewidths=1, zorder=3)
    return line


def _finish(axes: Axes, env: str, metric: str, x: str) -> None:
    axes.set_title(env, fontsize=10)
    axes.set_xlabel(axis_title(x))
    axes.set_ylabel(metric_title(metric))
    axes.set_xlim(left=0)
    if is_share(metric):
        axes.set_ylim(-0.03, 1.03)
    if x == "steps":
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if not axes.lines:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color="#777777")
