"""Coordinates become cells."""

import h3
import pytest

from recsvc.core.cells import CELL_RESOLUTION, N_RINGS, around, cell_of, centre_of, is_cell


def test_a_point_lies_in_its_cell() -> None:
    """The cell has resolution 6, and its centre is a few kilometres from the point."""
    cell = cell_of(41.1496, -8.6109)
    assert h3.get_resolution(cell) == CELL_RESOLUTION == 6
    assert h3.great_circle_distance(h3.cell_to_latlng(cell), (41.1496, -8.6109), "km") < 5


def test_neighbours_share_a_cell() -> None:
    """Two doors of one street cannot be told apart, two towns can."""
    assert cell_of(41.1496, -8.6109) == cell_of(41.1497, -8.6108)
    assert cell_of(41.1496, -8.6109) != cell_of(38.7223, -9.1393)


def test_the_centre_of_a_cell_lies_in_it() -> None:
    """A cell's centre, latitude first, becomes the same cell again."""
    cell = cell_of(41.1496, -8.6109)
    latitude, longitude = centre_of(cell)
    assert 41 < latitude < 42
    assert cell_of(latitude, longitude) == cell


def test_cells_around_come_by_distance() -> None:
    """Six at one step, twelve at two, eighteen at three; each once, and the cell itself not."""
    cell = cell_of(41.1496, -8.6109)
    found = around(cell)
    distances = [h3.grid_distance(cell, near) for near in found]
    assert N_RINGS == 3
    assert distances == [1] * 6 + [2] * 12 + [3] * 18
    assert len(set(found)) == 36
    assert [found[:6], found[6:18], found[18:]] == [
        sorted(found[:6]),
        sorted(found[6:18]),
        sorted(found[18:]),
    ]
    assert all(isinstance(near, str) for near in found)


def test_a_pentagon_has_fewer_cells_around() -> None:
    """Twelve cells of the earth have five neighbours, and are no error."""
    pentagon = min(h3.get_pentagons(CELL_RESOLUTION))
    assert len(around(pentagon)) == 5 + 10 + 15
    assert pentagon in around(around(pentagon)[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("861942c5fffffff", True), ("nonsense", False), ("", False), ("ffffffffffffffff", False)],
)
def test_a_cell_is_told_from_other_texts(text: str, *, expected: bool) -> None:
    """What no H3 index is names no cell."""
    assert is_cell(text) is expected
