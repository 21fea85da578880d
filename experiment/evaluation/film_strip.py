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
        self._content: object = None  # of the form that was drawn last
        self._drawn: Image.Image

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
        image = self._form(legend, [name for name, _, _ in rows]).copy()
        canvas = ImageDraw.Draw(image)
        canvas.text((_MARGIN, 4), title, fill=_INK, font=self._font)
        for index, (_, values, colour) in enumerate(rows, 1 + len(legend)):
            self._draw_values(canvas, _ROW * index, values, colour)
        return np.asarray(image)

    def _form(self, legend: Sequence[Sequence[Marker]], names: Sequence[str]) -> Image.Image:
        """Draw what is the same at each step: the legend, the rows' names and their axes."""
        content = [[marker.name for marker in row] for row in legend], names
        if content == self._content:
            return self._drawn
        height = _ROW * (1 + len(legend) + len(names)) + _MARGIN
        image = Image.new("RGB", (self._width, height), "white")
        for index, entries in enumerate(legend, 1):
            draw_legend_row(image, _ROW * index, entries, self._font, _INK)
        canvas = ImageDraw.Draw(image)
        for index, name in enumerate(names, 1 + len(legend)):
            axis = _ROW * index + _ROW // 2 + 8
            canvas.text((_MARGIN, _ROW * index + 3), name, fill=_INK, font=self._font)
            canvas.line((_NAMES, axis, self._width - _MARGIN, axis), fill=_PALE)
        self._content, self._drawn = content, image
        return image

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

    def _draw_values(
        self,
        canvas: ImageDraw.ImageDraw,
        top: int,
        values: Sequence[float | bool | None],
        colour: tuple[int, ...],
    ) -> None:
        """Write the last value, and draw all so far: bars for truths, a line for numbers."""
        middle = top + _ROW // 2
        canvas.text((_NAMES - _MARGIN, top + 3), _text(values), _INK, self._font, anchor="ra")
        x = self._places(len(values) + 1)
        known = [place for place, value in enumerate(values) if value is not None]
        if known and isinstance(values[known[0]], bool):
            for first, end in _stretches(values):
                canvas.rectangle((x[first], middle - 6, x[end], middle + 6), fill=colour)
        elif known:
            numbers = np.array([values[place] for place in known], float)
            least, spread = numbers.min(), np.ptp(numbers)
            y = middle + 7 - (numbers - least) * (14 / spread if spread > 0 else 0.0)
            canvas.line(np.stack([x[known], y], axis=1).ravel().tolist(), fill=colour, width=2)
        now = x[max(0, len(values) - 1)]
        canvas.line((now, top + 2, now, top + _ROW - 2), fill=(150, 150, 150))

    def _places(self, n_steps: int) -> np.ndarray:
        """Tell where the first steps are on the time axis (n_steps,)."""
        share = np.minimum(np.arange(n_steps) / max(self._n_steps, 1), 1.0)
        return _NAMES + share * (self._width - _MARGIN - _NAMES)


def _stretches(values: Sequence[float | bool | None]) -> list[tuple[int, int]]:
    """Find each unbroken stretch of truths: its first place and the one after its last."""
    is_true = np.array([False, *(bool(value) for value in values), False])
    edges = np.flatnonzero(is_true[1:] != is_true[:-1]).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _at(values: Sequence[bool | None], index: int) -> bool | None:
    return values[index] if index < len(values) else None


def _text(values: Sequence[float | bool | None]) -> str:
    if not values or values[-1] is None:
        return "-"
    last = values[-1]
    return ("yes" if last else "no") if isinstance(last, bool) else f"{last:.3f}"
