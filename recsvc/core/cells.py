"""The one place where coordinates become a cell, in training and in serving alike."""

import h3
import numpy as np
from numpy.typing import NDArray

CELL_RESOLUTION = 6
"""H3 resolution: cells of about 36 km², a town; fine enough for taste, too coarse for a home."""

N_RINGS = 3
"""Cells that far away are still near: some 20 km."""


def cell_of(latitude: float, longitude: float) -> str:
    """The H3 cell that holds a point, both in degrees."""
    return str(h3.latlng_to_cell(latitude, longitude, CELL_RESOLUTION))


def is_cell(text: str) -> bool:
    """Whether ``text`` names a cell."""
    return bool(h3.is_valid_cell(text))


def centre_of(cell: str) -> tuple[float, float]:
    """The centre of a cell: latitude and longitude in degrees."""
    latitude, longitude = h3.cell_to_latlng(cell)
    return latitude, longitude


def around(cell: str) -> list[str]:
    """The cells up to :data:`N_RINGS` rings away, the nearest first; of a ring by their names."""
    rings = (h3.grid_ring(cell, k) for k in range(1, N_RINGS + 1))
    return [str(near) for ring in rings for near in sorted(ring)]


def position_of(cell: str) -> NDArray[np.float32]:
    """float32, shape ``(3,)``: unit vector from the centre of the earth to the cell's.

    The cosine between two such vectors is a distance without a date line and without poles.
    """
    latitude, longitude = np.radians(centre_of(cell))
    across = np.cos(latitude)
    return np.array(
        [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], np.float32
    )
