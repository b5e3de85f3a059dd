"""Baskets of all customers, for neighbours among them (TIFU-KNN; Hu et al. 2020)."""

import numpy as np
from scipy.sparse import csr_array, diags_array

from recsvc.core.histories import Histories
from recsvc.core.sources import LikeCustomers, Memory
from recsvc.core.sparse import SparseRows
from training.settings import TrainingSettings


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
        SparseRows.from_csr(csr_array(baskets.T.tocsr())),
        memory,
        settings.n_like_customers,
        settings.own_share,
    )
