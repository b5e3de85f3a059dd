"""Baskets of all customers, for neighbours among them (TIFU-KNN; Hu et al. 2020)."""

import numpy as np
from scipy.sparse import csr_array, diags_array

from recsvc.core.histories import Histories
from recsvc.core.sources import LikeCustomers, Memory
from recsvc.core.sparse import SparseRows
from training.models.strongest import furthest
from training.settings import TrainingSettings

MAX_BUYERS = 5_000
"""Buyers of a product that are looked through, those whose basket it weighs most in. All of them
would make a list slower with every new customer, and those to whom bananas are one thing among
hundreds are like nobody for it."""


def fit_like_customers(
    histories: Histories, n_items: int, settings: TrainingSettings
) -> LikeCustomers:
    """Rows of length 1 from the histories' own columns, which the server reads alike."""
    memory = Memory(settings.basket_memory)
    # Squares of long decayed purchases vanish in float32, and their lengths with them.
    values = memory.of(histories.everything()).astype(np.float64)
    matrix = csr_array((values, histories.items, histories.indptr), (len(histories), n_items))
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    lengths[lengths == 0] = 1
    baskets = csr_array(diags_array(1 / lengths) @ matrix)
    return LikeCustomers(
        SparseRows.from_csr(baskets),
        SparseRows.from_csr(_keenest(csr_array(baskets.T.tocsr()), MAX_BUYERS)),
        memory,
        settings.n_like_customers,
        settings.own_share,
    )


def _keenest(buyers: csr_array, at_most: int) -> csr_array:
    """Products by customers, with the ``at_most`` largest weights of each row."""
    kept = np.ones(buyers.nnz, np.bool_)
    for row in np.flatnonzero(np.diff(buyers.indptr) > at_most).tolist():
        span = slice(buyers.indptr[row], buyers.indptr[row + 1])
        kept[span] = False
        kept[span.start + furthest(buyers.data[span], buyers.indices[span], at_most)] = True
    indptr = np.concatenate([[0], np.cumsum(kept)])[buyers.indptr]
    return csr_array((buyers.data[kept], buyers.indices[kept], indptr), buyers.shape)
