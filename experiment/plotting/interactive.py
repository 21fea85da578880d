"""Draw the same curves by plotly: one HTML file that needs no network."""

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from experiment.plotting.curves import Curve
from experiment.plotting.figure import Panels
from experiment.plotting.style import BAND_OPACITY, COLOURS, axis_title, is_share, metric_title
from util.statistics import interval_text

_DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot", "solid", "dash")
_PANEL_PIXELS = 340


def write_html(panels: Panels, labels: Sequence[str], x: str, path: Path) -> None:
    """
    Draw a grid of pictures: a row per metric, a column per environment.

    :param panels: curves by environment and metric
    :param labels: all groups, which fixes their colours
    :param x: steps or minutes
    :param path: of the file
    """
    envs = list(dict.fromkeys(env for env, _ in panels))
    metrics = list(dict.fromkeys(metric for _, metric in panels))
    figure = make_subplots(len(metrics), len(envs), subplot_titles=envs)
    named: set[str] = set()
    for (env, metric), curves in panels.items():
        place = {"row": metrics.index(metric) + 1, "col": envs.index(env) + 1}
        for curve in curves:
            for trace in _traces(curve, labels.index(curve.label), named):
                figure.add_trace(trace, **place)
        figure.update_xaxes(title_text=axis_title(x), rangemode="tozero", **place)
        limits = [-0.03, 1.03] if is_share(metric) else None
        figure.update_yaxes(title_text=metric_title(metric), range=limits, **place)
    figure.update_layout(
        template="plotly_white",
        height=_PANEL_PIXELS * len(metrics) + 120,
        legend={"orientation": "h", "y": -0.25},
    )
    figure.write_html(path, include_plotlyjs=True)


def _traces(curve: Curve, index: int, named: set[str]) -> list[go.Scatter]:
    colour = COLOURS[index % len(COLOURS)]
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    band = go.Scatter(
        x=[*curve.x, *curve.x[::-1]],
        y=[*curve.high, *curve.low[::-1]],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},{BAND_OPACITY})",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=curve.label,
    )
    line = go.Scatter(
        x=curve.x,
        y=curve.centre,
        customdata=list(zip(map(interval_text, curve.low, curve.high), curve.n_runs, strict=True)),
        hovertemplate="%{y:.3f} %{customdata[0]}, %{customdata[1]} runs",
        mode="lines+markers",
        marker={"size": 5},
        line={"color": colour, "dash": _DASHES[index % len(_DASHES)]},
        name=curve.label,
        legendgroup=curve.label,
        showlegend=curve.label not in named,
    )
    named.add(curve.label)
    return [band, line]
