"""Whether the arms hold as many shoppers as the lot should have given them.

Where they do not, something between the lot and the report loses shoppers of one arm, and no other
figure of the experiment can be believed (Fabijan et al. 2019).
"""

import numpy as np
from scipy.special import gammaln

from training.experiments.moments import Float

ALPHA = 0.01
"""How often an experiment whose lot is sound is said to be unsound, over all looks."""

CONCENTRATION = 1_000.0
"""Of the shares that are looked out for: half a percent to three percent beside the true ones."""


def balance_p_values(counts: Float, shares: Float) -> Float:
    """Always-valid p-values that the lot is sound, after Lindon & Malek (2022).

    The Bayes factor of shares drawn around the true ones against these is a martingale while the
    lot is sound, so that its inverse may be looked at as often as one likes.

    Args:
        counts: float64 ``(n_looks, n_arms)``: shoppers so far, the earliest look first.
        shares: float64 ``(n_arms,)``: the lot's, sum 1.

    Returns:
        float64 ``(n_looks,)``: at each look the least so far.
    """
    prior = CONCENTRATION * shares
    after = prior + counts
    log_factor = (
        (gammaln(after) - gammaln(prior)).sum(axis=-1)
        - gammaln(after.sum(axis=-1))
        + gammaln(prior.sum())
        - (counts * np.log(shares)).sum(axis=-1)
    )
    p: Float = np.exp(-np.maximum(log_factor, 0.0))
    return np.minimum.accumulate(p)
