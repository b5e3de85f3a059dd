"""How varied a list is, as tests and measurements look at it."""

import numpy as np

from recsvc.core.diversity import Alike


def mean_distance(alike: Alike) -> float:
    """Intra-list distance (Smyth and McClave 2001): the mean of 1 - likeness over all pairs.

    0 for fewer than two products.
    """
    n = len(alike.n_traits)
    likeness = alike.matrix()[np.triu_indices(n, 1)]
    return float((1 - likeness).mean()) if n > 1 else 0.0
