"""The strip above a film: a legend, and metrics of the episode so far, in step with the picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envs.markers import Marker
from experiment.evaluation.legend import draw_legend_row, layer_colour, legend_rows

METRICS = ("success", "goal_distance", "subgoal_reached", "q")

_ROW = 22
_NAMES = 170
_MARGIN = 6
_INK, _PALE = "#282828", (225, 225, 225)
_LINE, _YES, _NO = (0, 114, 178), (0, 158, 115), (213, 94, 0)


@dataclass(frozen=True)
class StepNumbers:
    """
    What is known of one step of an episode.

    :param success: None if the environment does not say
    :param goal_distance: in the goal's unit; None without goals
    :param subgoals_reached: for each layer that sets subgoals, highest first; None if the
        environment cannot say, because they are no goals of its own
    :param q: the critics' smallest value of the action; None if the agent has no critics
    """

    success: bool | None
    goal_distance: float | None
    subgoals_reached: Sequence[bool | None]
    q: float | None


class FilmStrip:
    """
    Draws the strip.

    :param metrics: of ``METRICS``, in the order of the rows
    :param width: pixels
    :param n_steps: of a full episode, the length of the time axis
    """

    def __init__(self, metrics: Sequence[str], width: int, n_steps: int) -> None:
        self._metrics = metrics
        self._width = width
        self._n_steps = n_steps
        self._font = ImageFont.load_default(13)

    def draw(
        self, title: str, markers: Sequence[Marker], steps: Sequence[StepNumbers], n_layers: int
    ) -> np.ndarray:
        """
        Draw the strip for the last of some steps.

        :param title: of the first row
        :param markers: in the picture, named in the legend
        :param steps: of the episode so far
        :param n_layers: that set subgoals, one row for each
        :return: (height, width, 3); equally high for equal metrics, markers and layers
        """
        legend = legend_rows(markers, self._width, self._font)
        rows = self._rows(steps, n_layers)
        height = _ROW * (1 + len(legend) + len(rows)) + _MARGIN
        image = Image.new("RGB", (self._width, height), "white")
        canvas = ImageDraw.Draw(image)
        canvas.text((_MARGIN, 4), title, fill=_INK, font=self._font)
        for index, entries in enumerate(legend, 1):
            draw_legend_row(image, _ROW * index, entries, self._font, _INK)
        for index, (name, values, colour) in enumerate(rows, 1 + len(legend)):
            self._draw_row(canvas, _ROW * index, name, values, colour)
        return np.asarray(image)

    def _rows(
        self, steps: Sequence[StepNumbers], n_layers: int
    ) -> list[tuple[str, list[float | bool | None], tuple[int, ...]]]:
        rows: list[tuple[str, list[float | bool | None], tuple[int, ...]]] = []
        for metric in self._metrics:
            if metric == "subgoal_reached":
                rows += [
                    (
                        f"subgoal {layer} reached",
                        [_at(step.subgoals_reached, layer) for step in steps],
                        tuple(int(255 * part) for part in layer_colour(layer)),
                    )
                    for layer in range(n_layers)
                ]
            else:
                values = [getattr(step, metric) for step in steps]
                rows.append((metric.replace("_", " "), values, _LINE))
        # no critics: no q
        return [row for row in rows if any(value is not None for value in row[1])]

    def _draw_row(
        self,
        canvas: ImageDraw.ImageDraw,
        top: int,
        name: str,
        values: Sequence[float | bool | None],
        colour: tuple[int, ...],
    ) -> None:
        """Write name and value, and draw the values so far: bars for truths, a line for numbers."""
        middle = top + _ROW // 2
        canvas.text((_MARGIN, top + 3), name, fill=_INK, font=self._font)
        canvas.text((_NAMES - _MARGIN, top + 3), _text(values), _INK, self._font, anchor="ra")
        canvas.line((_NAMES, middle + 8, self._width - _MARGIN, middle + 8), fill=_PALE)
        known = [value for value in values if value is not None]
        if known and isinstance(known[0], bool):
            for place, value in enumerate(values):
                x = self._x(place)
                if value:
                    canvas.rectangle((x, middle - 6, self._x(place + 1), middle + 6), fill=colour)
        elif known:
            low, high = min(known), max(known)
            scale = 14 / (high - low) if high > low else 0.0
            points = [
                (self._x(place), middle + 7 - scale * (value - low))
                for place, value in enumerate(values)
                if value is not None
            ]
            canvas.line(points, fill=colour, width=2)
        now = self._x(max(0, len(values) - 1))
        canvas.line((now, top + 2, now, top + _ROW - 2), fill=(150, 150, 150))

    def _x(self, step: int) -> float:
        longest = max(self._n_steps, 1)
        return _NAMES + min(step / longest, 1.0) * (self._width - _MARGIN - _NAMES)


def _at(values: Sequence[bool | None], index: int) -> bool | None:
    return values[index] if index < len(values) else None


def _text(values: Sequence[float | bool | None]) -> str:
    if not values or values[-1] is None:
        return "-"
    last = values[-1]
    return ("yes" if last else "no") if isinstance(last, bool) else f"{last:.3f}"
