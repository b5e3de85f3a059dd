"""The smoothest patterns of the purchases (GF-CF; Shen et al. 2021)."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import svds

from recsvc.core.sources import Memory, Spectral
from recsvc.core.sparse import SparseRows
from training.interactions import Interactions
from training.settings import TrainingSettings

LOW_PASS = 0.3
"""Weight of the low-pass filter: that of the paper on check-ins, and the best of .1, .3 and 1
on a fifth of Gowalla held out (ndcg@20 .1374; the linear filter alone .1255, the low-pass one
.1207)."""

CUSTOMERS_A_VECTOR = 20
FEWEST_VECTORS = 8
"""Few customers hold few patterns: of 500, the 256th vector is one customer's own purchases, which
it can only say again. On a fifth of the purchases held out, nDCG@10 with 256 vectors and with so
many: of 942 who rated MovieLens's films .186 and .208, of 500 households .151 and .206, of 3,000 of
Gowalla's customers .050 and .052, of 500 of them .024 and .020, within the noise."""

Vectors = NDArray[np.floating]

MAX_DENSE = 1_000
"""Customers or products, whichever are fewer, up to which a dense solver takes a second.
ARPACK finds fewer vectors than there are, and none where nothing was bought."""

MIN_SINGULAR_VALUE = 1e-4
"""The largest is 1; vectors of one below are no pattern but rounding errors."""


def fit_spectral(interactions: Interactions, settings: TrainingSettings) -> Spectral:
    """The purchases, scaled by both sides' numbers, and their leading singular vectors.

    There are fewer than ``n_vectors`` where the purchases hold no more patterns, or the customers
    are too few to tell more of them from chance.
    """
    matrix = interactions.matrix(np.ones(interactions.lines.height, np.float32))
    matrix.data[:] = 1
    scale = np.sqrt(np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1))
    matrix = csr_array(matrix[np.diff(matrix.indptr) > 0])
    by_customer = diags_array((1 / np.sqrt(np.diff(matrix.indptr))).astype(np.float32))
    by_item = diags_array((1 / scale).astype(np.float32))
    normalised = csr_array(by_customer @ matrix @ by_item)
    n_told = max(FEWEST_VECTORS, matrix.shape[0] // CUSTOMERS_A_VECTOR)
    n_vectors = min(settings.n_vectors, n_told)
    values, vectors = _singular(normalised, n_vectors, settings.seed)
    leading = np.argsort(-values, kind="stable")[:n_vectors]
    leading = leading[values[leading] > MIN_SINGULAR_VALUE]
    return Spectral(
        SparseRows.from_csr(normalised),
        SparseRows.from_csr(csr_array(normalised.T.tocsr())),
        np.asfortranarray(vectors[:, leading], np.float32),
        scale.astype(np.float32),
        Memory.PRESENCE,
        LOW_PASS,
    )


def _singular(matrix: csr_array, n: int, seed: int) -> tuple[Vectors, Vectors]:
    """At least the ``n`` largest singular values, in any order, and their right vectors."""
    if min(matrix.shape) <= max(MAX_DENSE, n):
        return _all_singular(matrix.astype(np.float64))
    start = np.random.default_rng(seed).random(min(matrix.shape), np.float32)
    _, values, rows = svds(matrix, n, v0=start, solver="arpack", tol=1e-3)
    return values, rows.T


def _all_singular(matrix: csr_array) -> tuple[Vectors, Vectors]:
    """All of them, from the smaller of the two Gram matrices: the other may be huge."""
    n_customers, n_items = matrix.shape
    if n_items <= n_customers:
        squares, vectors = np.linalg.eigh((matrix.T @ matrix).toarray())
        return np.sqrt(np.maximum(squares, 0)), vectors
    squares, of_customers = np.linalg.eigh((matrix @ matrix.T).toarray())
    values = np.sqrt(np.maximum(squares, 0))
    return values, matrix.T @ of_customers / np.maximum(values, MIN_SINGULAR_VALUE)
