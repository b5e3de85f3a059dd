"""Cutting weights between products down to what matters."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.sparse import SparseRows

Row = tuple[NDArray[np.int32], NDArray[np.float32]]
"""The columns of a row, distinct and in any order, and the weight of each."""


def strongest(rows: Iterable[Row], n: int) -> SparseRows:
    """Of each row of a square matrix the ``n`` weights furthest from 0, the diagonal left out.

    Of equal weights those of the first columns are kept. Rows come one by one, since a whole
    matrix of co-occurrences would take gigabytes.
    """
    indices, values = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    indptr = [0]
    for row, (columns, weights) in enumerate(rows):
        strength = np.abs(weights)
        strength[columns == row] = 0
        kept = furthest(strength, columns, n)
        indices.append(columns[kept])
        values.append(weights[kept])
        indptr.append(indptr[-1] + len(kept))
    shape = (len(indptr) - 1, len(indptr) - 1)
    cut = (np.concatenate(values), np.concatenate(indices), np.array(indptr))
    return SparseRows.from_csr(csr_array(cut, shape))


def rows_of(matrix: csr_array) -> Iterator[Row]:
    """The rows of a matrix, as views."""
    for start, end in zip(matrix.indptr.tolist(), matrix.indptr[1:].tolist(), strict=False):
        yield matrix.indices[start:end], matrix.data[start:end]


def furthest(strength: NDArray[np.float32], columns: NDArray[np.int32], n: int) -> NDArray[np.intp]:
    """Positions of the ``n`` largest that are above 0."""
    least = np.partition(strength, -n)[-n] if len(strength) > n else np.float32(0)
    if least == 0:
        return np.flatnonzero(strength)
    found = np.flatnonzero(strength >= least)
    if len(found) > n:
        above, tied = np.flatnonzero(strength > least), np.flatnonzero(strength == least)
        first = tied[np.argsort(columns[tied])[: n - len(above)]]
        found = np.concatenate([above, first])
    return found
