"""What the rings and dots in a film mean: their colours, their names, and the row that tells."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envs.markers import Marker

# Of the layers, highest first: Okabe and Ito's orange, pink, light blue, yellow.
LAYER_COLOURS = ((0.90, 0.62, 0.0), (0.8, 0.47, 0.65), (0.34, 0.71, 0.91), (0.94, 0.89, 0.26))
_GOAL_COLOUR = (1.0, 0.0, 0.0)  # as Gymnasium-Robotics draws it

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_SIZE, _GAP = 12, 6  # of a ring, and between things
_FINER = 4  # it is drawn larger and scaled down, so that it is round


def subgoal_marker(layer: int, position: np.ndarray) -> Marker:
    """
    Mark a subgoal.

    :param layer: that sets it, 0 is the highest
    :param position: (3,)
    """
    return Marker(position, layer_colour(layer), is_ring=True, name=f"subgoal of layer {layer}")


def goal_marker(position: np.ndarray) -> Marker:
    """
    Mark the goal.

    :param position: (3,)
    """
    return Marker(position, _GOAL_COLOUR, is_ring=False, name="goal")


def layer_colour(layer: int) -> tuple[float, float, float]:
    """
    Tell the colour of a layer's subgoals in films.

    :param layer: 0 is the highest
    """
    return LAYER_COLOURS[layer % len(LAYER_COLOURS)]


def legend_rows(markers: Sequence[Marker], width: int, font: Font) -> list[list[Marker]]:
    """
    Break the legend into rows.

    :param markers: in the picture
    :param width: pixels
    :param font: of the names
    :return: in each row one marker of each name, as many as have room
    """
    rows: list[list[Marker]] = []
    room = 0.0
    for marker in {one.name: one for one in markers}.values():
        needed = _width(marker, font)
        if not rows or needed > room:
            rows.append([])
            room = width - _GAP
        rows[-1].append(marker)
        room -= needed
    return rows


def draw_legend_row(
    image: Image.Image, top: int, row: Sequence[Marker], font: Font, ink: str
) -> None:
    """
    Draw one row.

    :param image: to draw in
    :param top: pixels
    :param row: of ``legend_rows``
    :param font: of the names
    :param ink: their colour
    """
    x = float(_GAP)
    for marker in row:
        image.paste(_sign(marker), (int(x), top + 5))
        ImageDraw.Draw(image).text((x + _SIZE + _GAP, top + 3), marker.name, ink, font)
        x += _width(marker, font)


def _width(marker: Marker, font: Font) -> float:
    return _SIZE + _GAP + font.getlength(marker.name) + 3 * _GAP


def _sign(marker: Marker) -> Image.Image:
    size = _SIZE * _FINER
    image = Image.new("RGB", (size, size), "white")
    colour = tuple(int(255 * part) for part in marker.colour)
    canvas = ImageDraw.Draw(image)
    if marker.is_ring:
        canvas.ellipse((0, 0, size - 1, size - 1), outline=colour, width=3 * _FINER)
    else:
        canvas.ellipse((_FINER, _FINER, size - _FINER, size - _FINER), fill=colour)
    return image.resize((_SIZE, _SIZE), Image.Resampling.LANCZOS)
