"""What is left of a matrix of weights."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.sparse import SparseRows
from training.models.strongest import Row, rows_of, strongest


def row(*weights: float) -> Row:
    """A row with a weight in each of the first columns."""
    return np.arange(len(weights), dtype=np.int32), np.array(weights, np.float32)


def entries(rows: SparseRows) -> list[dict[int, float]]:
    """Each row as column to weight."""
    pairs = (rows.row(index) for index in range(len(rows)))
    return [dict(zip(i.tolist(), v.tolist(), strict=True)) for i, v in pairs]


def brute(dense: NDArray[np.float32], n: int) -> list[dict[int, float]]:
    """The same by sorting every row."""
    found = []
    for index, weights in enumerate(dense):
        strength = np.abs(weights)
        strength[index] = 0
        order = [c for c in np.argsort(-strength, kind="stable").tolist() if strength[c] > 0]
        found.append({column: float(weights[column]) for column in sorted(order[:n])})
    return found


def test_the_weights_furthest_from_0_are_kept() -> None:
    """Strong means far from 0 on either side; signs stay, and columns ascend."""
    rows = strongest([row(9, 1, -4, 3), row(), row(0.5, 2), row(-1, -2, -3, 9)], 2)

    assert entries(rows) == [{2: -4, 3: 3}, {}, {0: 0.5, 1: 2}, {1: -2, 2: -3}]
    assert rows.indptr.tolist() == [0, 2, 2, 4, 6]


def test_neither_the_diagonal_nor_zeros_are_kept() -> None:
    """A product says nothing of itself, however short the row is left."""
    assert entries(strongest([row(7, 0, 1), row(0, 7, 0), row(0, 0, 7)], 2)) == [{2: 1}, {}, {}]


def test_of_equal_weights_the_first_columns_are_kept() -> None:
    """Ties are decided by the column, whatever the order in which a row names them."""
    columns = np.array([4, 2, 5, 1, 3], np.int32)
    weights = np.array([1, -1, 2, 1, 1], np.float32)
    nothing = row()

    rows = strongest([(columns, weights), *[nothing] * 5], 3)

    assert entries(rows)[0] == {1: 1, 2: -1, 5: 2}


@pytest.mark.parametrize("n", [1, 3, 10, 100])
def test_rows_are_cut_as_if_sorted(n: int) -> None:
    """On a matrix with many ties every row is what sorting it gives."""
    random = np.random.default_rng(4)
    dense = random.integers(-5, 6, (40, 40)).astype(np.float32)

    assert entries(strongest(rows_of(csr_array(dense)), n)) == brute(dense, n)


def test_no_rows_at_all() -> None:
    """An empty catalogue has no weights."""
    assert len(strongest([], 5)) == 0
