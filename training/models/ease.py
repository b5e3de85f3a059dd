"""Item-to-item regression in closed form (EASE^R; Steck 2019)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import ssyrk, strsm
from scipy.linalg.lapack import spotrf, spotri
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from recsvc.core.sources import ItemToItem, Memory
from recsvc.core.sparse import SparseRows
from recsvc.errors import SettingsError
from training.interactions import Interactions
from training.models.strongest import strongest
from training.settings import TrainingSettings

Dense = NDArray[np.float32]

BLOCK = 512
"""Rows of a dense matrix that are made at a time."""


def fit_ease(interactions: Interactions, settings: TrainingSettings) -> ItemToItem:
    """Weights among the most bought products, all others left at 0.

    The Gram matrix takes memory with the square and time with the cube of the number of
    products, so the long tail stays out of it.

    Raises:
        SettingsError: the regularization is too small for the data.
    """
    weights = interactions.lines["weight"].to_numpy()
    values = weights * interactions.decayed(settings.long_half_life_days)
    matrix = interactions.matrix(values).log1p()
    kept = _most_bought(matrix, settings.ease_max_items)
    purchases = csr_array(matrix[:, kept])
    purchases = csr_array(purchases[np.diff(purchases.indptr) > 0])
    # The trainer holds BLAS to one thread, for the sake of libraries with threads of their own.
    with threadpool_limits(cpu_count(), "blas"):
        inverse = _inverse(purchases, settings.ease_regularization)
    columns = np.arange(len(kept), dtype=np.int32)
    rows = ((columns, weights) for weights in _regression(inverse))
    cut = strongest(rows, settings.ease_weights)
    lengths = np.zeros(len(interactions.items), np.int64)
    lengths[kept] = np.diff(cut.indptr)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return ItemToItem("ease", SparseRows(indptr, kept[cut.indices], cut.values), Memory.CONFIDENCE)


def _most_bought(matrix: csr_array, n: int) -> NDArray[np.int32]:
    """The ``n`` products with most buyers, ascending."""
    buyers = np.bincount(matrix.indices, minlength=matrix.shape[1])
    most = np.argsort(-buyers, kind="stable")[:n]
    return np.sort(most[buyers[most] > 0]).astype(np.int32)


def _inverse(purchases: csr_array, regularization: float) -> Dense:
    """Upper triangle of the inverse of the regularised Gram matrix, up to a factor."""
    n_customers, n_items = purchases.shape
    if not n_items:
        return np.zeros((0, 0), np.float32)
    # With few customers the same inverse comes from the products of customers, by Woodbury's
    # identity: I - X' (X X' + lambda I)^-1 X. A third of the time with 2,500 of them and
    # 8,000 products.
    by_customers = 2 * n_customers < n_items
    gram = _gram(csr_array((purchases if by_customers else purchases.T).tocsr()))
    gram.ravel(order="K")[:: len(gram) + 1] += np.float32(regularization)
    # LAPACK is Fortran: it reads the other triangle of the transpose.
    factor, failed = spotrf(gram.T, lower=1, overwrite_a=1)
    if by_customers:
        whitened = strsm(1.0, factor, purchases.toarray(order="F"), lower=1, overwrite_b=1)
        inverse = ssyrk(-1.0, whitened, trans=1, lower=1)
        inverse.ravel(order="K")[:: n_items + 1] += 1
        singular = 0
    else:
        inverse, singular = spotri(factor, lower=1, overwrite_c=1)
    if failed or singular or not (np.diag(inverse) > 0).all():
        raise SettingsError(
            f"ease_regularization: {regularization} is too small for {n_customers:,} customers"
            f" and {n_items:,} products; raise it or leave ease out"
        )
    return np.asarray(inverse.T, np.float32)


def _gram(rows: csr_array) -> Dense:
    """Upper triangle of ``rows @ rows.T``, block by block: as a whole it is sparse no more."""
    n = rows.shape[0]
    gram = np.zeros((n, n), np.float32)
    columns = csr_array(rows.T.tocsr())

    def fill(first: int) -> None:
        last = first + BLOCK
        gram[first:last, first:] = (rows[first:last] @ columns[:, first:]).toarray()

    # Threads, since SciPy lets go of the interpreter in a product of sparse matrices.
    with ThreadPoolExecutor(cpu_count()) as pool:
        for _ in pool.map(fill, range(0, n, BLOCK)):
            pass
    return gram


def _regression(inverse: Dense) -> Iterator[Dense]:
    """Rows of ``-P / diag(P)`` from the upper triangle of ``P``."""
    divisor = -np.diag(inverse)
    for first in range(0, len(inverse), BLOCK):
        last = first + BLOCK
        block = inverse[first:last].copy()
        corner = np.triu(block[:, first:last])
        block[:, first:last] = corner + np.triu(corner, 1).T
        block[:, :first] = inverse[:first, first:last].T
        block /= divisor
        yield from block
