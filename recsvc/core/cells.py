"""The one place where coordinates become a cell, in training and in serving alike."""

import h3
import numpy as np
from numpy.typing import NDArray

CELL_RESOLUTION = 6
"""H3 resolution: cells of about 36 km², a town; fine enough for taste, too coarse for a home."""


def cell_of(latitude: float, longitude: float) -> str:
    """The H3 cell that holds a point, both in degrees."""
    return str(h3.latlng_to_cell(latitude, longitude, CELL_RESOLUTION))


def centre_of(cell: str) -> tuple[float, float]:
    """The centre of a cell: latitude and longitude in degrees."""
    latitude, longitude = h3.cell_to_latlng(cell)
    return latitude, longitude


def position_of(cell: str) -> NDArray[np.float32]:
    """float32, shape ``(3,)``: unit vector from the centre of the earth to the cell's.

    The cosine between two such vectors is a distance without a date line and without poles.
    """
    latitude, longitude = np.radians(centre_of(cell))
    across = np.cos(latitude)
    return np.array(
        [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], np.float32
    )
