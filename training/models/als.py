"""Matrix factors by implicit's alternating least squares (Hu, Koren, Volinsky 2008)."""

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recsvc.core.factors import Factors
from training.interactions import Interactions
from training.settings import TrainingSettings


def fit_als(
    interactions: Interactions, settings: TrainingSettings, regularization: float
) -> Factors:
    """Fit item factors; users are folded in when they are asked for.

    Deterministic for a seed: each sweep solves every row by itself, in any order.
    """
    weights = interactions.lines["weight"].to_numpy()
    values = weights * interactions.decayed(settings.long_half_life_days)
    # The same transformation as Profile.confidence: fold-in must solve what was fitted.
    matrix = csr_matrix(interactions.matrix(values).log1p())
    model = AlternatingLeastSquares(
        factors=settings.n_factors,
        iterations=settings.als_iterations,
        regularization=regularization,
        alpha=settings.als_alpha,
        random_state=settings.seed,
        num_threads=0,
    )
    model.fit(matrix, show_progress=False)
    return as_factors(model.item_factors, regularization, settings.als_alpha)


def as_factors(item_factors: NDArray[np.float32], regularization: float, alpha: float) -> Factors:
    """Item factors with the regularised Gram matrix that fold-in needs."""
    identity = np.eye(item_factors.shape[1], dtype=np.float32)
    gram = item_factors.T @ item_factors + np.float32(regularization) * identity
    return Factors(np.asfortranarray(item_factors), gram, alpha)
