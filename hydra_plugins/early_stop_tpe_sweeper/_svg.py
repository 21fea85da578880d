"""Small pictures that a page holds itself: lines and points as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_LEFT, _RIGHT, _TOP, _BOTTOM = 55.0, 10.0, 10.0, 40.0
_N_TICKS = 5


@dataclass(frozen=True)
class Series:
    """
    What belongs together.

    :param x: values
    :param y: values, finite
    :param colour: of CSS
    :param title: shown where the mouse is
    :param is_line: points are joined
    :param width: of the line, or of points, in pixels
    """

    x: Sequence[float]
    y: Sequence[float]
    colour: str
    title: str
    is_line: bool = True
    width: float = 1.5


def chart(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    *,
    size: tuple[int, int] = (900, 300),
    y_range: tuple[float, float] | None = None,
    log_x: bool = False,
    names: Sequence[str] | None = None,
) -> str:
    """
    Draw series over one another, the last one on top.

    :param series: at least one, each with a point
    :param x_label: below
    :param y_label: above
    :param size: width and height in pixels
    :param y_range: of the axis; None: as the values need
    :param log_x: x grows by factors
    :param names: of x = 0, 1, ..., where x are categories
    """
    width, height = size
    scale = math.log10 if log_x else float
    xs = [scale(x) for one in series for x in one.x]
    ys = [y for one in series for y in one.y]
    x_low, x_high = _padded(min(xs), max(xs))
    y_low, y_high = y_range or _padded(min(ys), max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (scale(x) - x_low) / (x_high - x_low)
        up = (y - y_low) / (y_high - y_low)
        return (
            _LEFT + across * (width - _LEFT - _RIGHT),
            height - _BOTTOM - up * (height - _TOP - _BOTTOM),
        )

    heights = [(place(series[0].x[0], y)[1], f"{y:.3g}") for y in _ticks(y_low, y_high)]
    columns = [(place(x, y_low)[0], text) for x, text in _x_ticks(x_low, x_high, log_x, names)]
    return "".join(
        [
            f"<svg width='{width}' height='{height}' viewBox='0 0 {width} {height}'>",
            _axes(size, heights, columns),
            *(_drawn(one, list(map(place, one.x, one.y))) for one in series),
            f"<text x='{width / 2:.0f}' y='{height - 6}' text-anchor='middle'>{escape(x_label)}",
            f"</text><text x='{_LEFT + 4}' y='{_TOP + 10}'>{escape(y_label)}</text></svg>",
        ]
    )


def _axes(
    size: tuple[int, int],
    heights: Sequence[tuple[float, str]],
    columns: Sequence[tuple[float, str]],
) -> str:
    """Draw a line at each height, and write what heights and columns stand for."""
    width, height = size
    lines = [
        f"<line x1='{_LEFT}' x2='{width - _RIGHT}' y1='{at:.1f}' y2='{at:.1f}' class='grid'/>"
        f"<text x='{_LEFT - 6}' y='{at + 4:.1f}' text-anchor='end'>{text}</text>"
        for at, text in heights
    ]
    lines += [
        f"<text x='{at:.1f}' y='{height - _BOTTOM + 16:.0f}' text-anchor='middle'>"
        f"{escape(text)}</text>"
        for at, text in columns
    ]
    return "".join(lines)


def _drawn(one: Series, points: list[tuple[float, float]]) -> str:
    title = f"<title>{escape(one.title)}</title>"
    if one.is_line and len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        return (
            f"<polyline points='{path}' fill='none' stroke='{one.colour}' "
            f"stroke-width='{one.width}'>{title}</polyline>"
        )
    return "".join(
        f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{one.width + 1.5}' fill='{one.colour}'>"
        f"{title}</circle>"
        for x, y in points
    )


def _padded(low: float, high: float) -> tuple[float, float]:
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Choose round values within."""
    rough = (high - low) / _N_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= rough)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _x_ticks(
    low: float, high: float, log_x: bool, names: Sequence[str] | None
) -> list[tuple[float, str]]:
    if names is not None:
        return list(zip(map(float, range(len(names))), names, strict=True))
    if not log_x:
        return [(x, f"{x:.4g}") for x in _ticks(low, high)]
    whole = [10.0**n for n in range(math.ceil(low), math.floor(high) + 1)]
    inside = [10 ** (low + share * (high - low)) for share in (0.1, 0.5, 0.9)]
    values = whole if len(whole) > 1 else inside
    return [(x, f"{x:.2g}") for x in values]
