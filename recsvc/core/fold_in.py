"""A user's factors from their interactions, while the item factors stay fixed."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import sposv


def fold_in(
    item_factors: NDArray[np.float32],
    gram: NDArray[np.float32],
    item_indices: NDArray[np.int32],
    confidence: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Solve one user's normal equations.

    Args:
        item_factors: float32, shape ``(n_items, n_factors)``.
        gram: float32, shape ``(n_factors, n_factors)``: ``Y'Y`` with the
            regularization on its diagonal.
        item_indices: int32, shape ``(n_seen,)``, distinct.
        confidence: float32, shape ``(n_seen,)``, positive; ``alpha * weight`` as
            implicit 0.7 fits it (Hu et al. 2008 write ``1 + alpha * weight``).

    Returns:
        float32, shape ``(n_factors,)``; zeros for a user without interactions.
    """
    if not len(item_indices):
        return np.zeros(item_factors.shape[1], np.float32)
    seen = item_factors[item_indices]
    # 1 of each confidence is in the Gram matrix already: it holds every item once.
    left = gram + (seen * (confidence - 1)[:, None]).T @ seen
    right = confidence @ seen
    _, solution, info = sposv(left, right)
    if info != 0:
        # Confidences far below 1 can make the matrix indefinite by rounding.
        solution = np.linalg.lstsq(left, right, rcond=None)[0]
    return np.asarray(solution, np.float32)
