"""Matrix factors by Bayesian personalised ranking (Rendle et al. 2009), through implicit."""

from dataclasses import dataclass, field

import numpy as np
from implicit.cpu.bpr import BayesianPersonalizedRanking
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.sparse import csr_matrix

from recsvc.core.factors import Factors
from training.interactions import Interactions


@dataclass(frozen=True, slots=True, kw_only=True)
class BprSettings:
    """What :func:`fit_bpr` is told.

    Attributes:
        n_factors: dimensions, the products' bias not among them.
        iterations: epochs, each of as many samples as there are pairs of customer and product.
            Few: over months of purchases, 30 find fewer next ones than 10.
        learning_rate, regularization: of the stochastic gradient descent.
        alpha: of fold-in: confidence of one unit of interaction weight.
        fold_in_regularization: of fold-in, relative to the mean eigenvalue of the Gram matrix,
            since the factors' scale follows from the gradient descent. The larger, the nearer
            is a shopper to the weighted sum of their products.
        seed: of the starting factors and of the samples.
    """

    n_factors: PositiveInt = 64
    iterations: PositiveInt = 10
    learning_rate: PositiveFloat = 0.05
    regularization: NonNegativeFloat = 0.002
    alpha: PositiveFloat = 2.0
    fold_in_regularization: PositiveFloat = 1.0
    seed: int = field(default=0, metadata={"follows": "seed"})


def fit_bpr(interactions: Interactions, settings: BprSettings) -> Factors:
    """Fit item factors; users are folded in when they are asked for.

    BPR learns factors of the known customers too. They are dropped for what fold-in computes
    from BPR's products by least squares, the same closed form as for ALS: so a purchase of a
    second ago counts, and old ones fade, which BPR itself knows nothing of. The price is that
    fold-in does not maximise BPR's own criterion: lists of long-standing customers are not
    those that implicit would give.

    A product's bias, which implicit keeps beside its factors, stays as one factor more, the
    last: a shopper's taste for it is folded in like any other. Without it, a year of groceries
    loses a tenth of the new purchases found.

    Deterministic for a seed: one thread, since several would race for the same rows.
    """
    lines = interactions.lines
    # BPR asks whether, not how much.
    bought = csr_matrix(interactions.matrix(np.ones(lines.height, np.float32)))
    if not bought.nnz:  # nothing to sample from
        return _folding_in(
            np.zeros((bought.shape[1], settings.n_factors + 1), np.float32), settings
        )
    model = BayesianPersonalizedRanking(
        factors=settings.n_factors,
        iterations=settings.iterations,
        learning_rate=settings.learning_rate,
        regularization=settings.regularization,
        random_state=settings.seed,
        num_threads=1,
    )
    model.fit(bought, show_progress=False)
    return _folding_in(model.item_factors, settings)


def _folding_in(items: NDArray[np.float32], settings: BprSettings) -> Factors:
    """Item factors with what fold-in needs; everybody is regularised alike."""
    gram = items.T @ items
    mean_eigenvalue = float(np.trace(gram)) / len(gram)
    # 1 where there are no factors, so that what is solved has a solution.
    regularization = settings.fold_in_regularization * mean_eigenvalue or 1.0
    return Factors(np.asfortranarray(items), gram, settings.alpha, regularization)
