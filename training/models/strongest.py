"""Cutting a matrix of weights down to what matters."""

import numpy as np
from scipy.sparse import csr_array

from recsvc.core.sparse import SparseRows


def strongest(matrix: csr_array, n: int) -> SparseRows:
    """Of each row the ``n`` weights furthest from 0, the diagonal left out."""
    matrix.setdiag(0)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    indptr, strength = matrix.indptr, np.abs(matrix.data)
    keep = np.ones(len(strength), np.bool_)
    for row in np.flatnonzero(np.diff(indptr) > n).tolist():
        span = slice(int(indptr[row]), int(indptr[row + 1]))
        weak = np.argpartition(-strength[span], n)[n:]
        keep[span][weak] = False
    lengths = np.add.reduceat(np.append(keep, False), indptr[:-1]) * (np.diff(indptr) > 0)
    return SparseRows(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        matrix.indices[keep].astype(np.int32),
        matrix.data[keep].astype(np.float32),
    )
