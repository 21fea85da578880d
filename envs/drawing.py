"""Draw flat environments with numpy: discs, and markers as rings and dots."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.markers import Marker

_WIRE, _DOT = 2.5, 4.5  # of a ring, half as wide, and of a dot: pixels


@dataclass
class Canvas:
    """
    A picture of a part of the plane.

    :param image: (height, width, 3), drawn in
    :param x: of its columns (width,), in the environment's unit
    :param y: of its rows (height,), the same
    """

    image: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def disc(self, centre: np.ndarray, radius: float, colour: Sequence[float]) -> None:
        """
        Draw a disc.

        :param centre: (2,)
        :param radius: in the environment's unit
        :param colour: red, green, blue from 0 to 255
        """
        self.image[self._distance(centre) <= radius] = colour

    def marker(self, marker: Marker, radius: float) -> None:
        """
        Draw a marker.

        :param marker: its third coordinate has no meaning here
        :param radius: of a ring, in the environment's unit
        """
        pixel = abs(self.x[1] - self.x[0])
        distance = self._distance(marker.position)
        is_near = np.abs(distance - radius) <= _WIRE * pixel
        is_in = is_near if marker.is_ring else distance <= _DOT * pixel
        self.image[is_in] = 255 * np.array(marker.colour)

    def _distance(self, centre: np.ndarray) -> np.ndarray:
        return np.hypot(self.x - centre[0], (self.y - centre[1])[:, None])
