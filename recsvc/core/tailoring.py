"""Products like another one, in the order that suits a shopper."""

import numpy as np
from numpy.typing import NDArray

from recsvc.core.vocabulary import MISSING

Column = NDArray[np.float32]

N_TAILORED = 50
"""The most alike that change places; what is less alike comes as it does for everybody."""

SHARE, SHARE_OF_UNKNOWN = np.float32(1.0), np.float32(0.35)
"""What a deviation of the liking counts for, in deviations of the likeness, among products of one
kind and of no known kind. Chosen on purchases that were new to their customers: docs/surfaces.md
has the figures."""


def tailored(likeness: Column, liking: Column, kinds: NDArray[np.int32]) -> Column:
    """How much each product is like another one and to a shopper's liking.

    Which kinds of product belong on the list the likeness alone decides: of each kind the shopper
    has a say in which. Without that a list for who buys much milk would be one of milk, whatever
    it was asked about.

    Args:
        likeness: float32, shape ``(n,)``: of the most alike.
        liking: float32, shape ``(n,)``: what the shopper's ranker makes of them.
        kinds: int32, shape ``(n,)``: the category of each, MISSING unknown.

    Returns:
        float32, shape ``(n,)``, on the scale of ``likeness``.
    """
    if not len(likeness):
        return likeness
    _, at = np.unique(kinds, return_inverse=True)
    among_its_kind = liking - (np.bincount(at, liking) / np.bincount(at))[at]
    deviation = among_its_kind.std()
    # Where it is all the same, up to rounding, it says nothing.
    if deviation <= 1e-6 * max(float(np.abs(liking).max()), 1e-12):
        return likeness
    share = np.where(kinds == MISSING, SHARE_OF_UNKNOWN, SHARE)
    leaning = share * likeness.std() * among_its_kind / deviation
    return np.asarray(likeness + leaning, np.float32)
