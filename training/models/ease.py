"""Item-to-item regression in closed form (EASE^R; Steck 2019)."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import spotrf, spotri
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from recsvc.core.sources import ItemToItem, Memory
from training.interactions import Interactions
from training.models.strongest import strongest
from training.settings import TrainingSettings


def fit_ease(interactions: Interactions, settings: TrainingSettings) -> ItemToItem:
    """Weights among the most bought products, all others left at 0.

    The Gram matrix takes memory with the square and time with the cube of the number of
    products, so the long tail stays out of it.
    """
    weights = interactions.lines["weight"].to_numpy()
    values = weights * interactions.decayed(settings.long_half_life_days)
    matrix = interactions.matrix(values).log1p()
    buyers = np.diff(csr_array(matrix.T.tocsr()).indptr)
    kept = np.sort(np.argsort(-buyers, kind="stable")[: settings.ease_max_items])
    kept = kept[buyers[kept] > 0]
    purchases = csr_array(matrix.tocsc()[:, kept].tocsr())
    gram = np.asfortranarray((purchases.T @ purchases).toarray(), np.float32)
    gram.ravel(order="K")[:: len(gram) + 1] += np.float32(settings.ease_regularization)
    with threadpool_limits(None, "blas"):
        factor, failed = spotrf(gram, lower=1, overwrite_a=1)
        inverse, singular = spotri(factor, lower=1, overwrite_c=1)
    if failed or singular:
        raise FloatingPointError(f"EASE: the Gram matrix of {len(kept):,} products is singular")
    n = len(kept)
    shape = (len(interactions.items), len(interactions.items))
    dense = csr_array(
        (
            _regression(inverse).ravel(),
            np.tile(kept.astype(np.int32), n),
            _indptr(kept, n, shape[0]),
        ),
        shape,
    )
    return ItemToItem("ease", strongest(dense, settings.ease_weights), Memory.CONFIDENCE)


def _regression(inverse: NDArray[np.float32]) -> NDArray[np.float32]:
    """``-P / diag(P)`` from the lower triangle of ``P``."""
    lower = np.tril(inverse, -1)
    weights = -(lower + lower.T) / np.diag(inverse)[None, :]
    return np.asarray(weights, np.float32)


def _indptr(kept: NDArray[np.intp], length: int, n_items: int) -> NDArray[np.int64]:
    """Rows of ``length`` for the kept products, empty ones for the others."""
    lengths = np.zeros(n_items, np.int64)
    lengths[kept] = length
    return np.concatenate([[0], np.cumsum(lengths)])
