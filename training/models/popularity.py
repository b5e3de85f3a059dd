"""Popularity everywhere, with a short memory."""

import numpy as np

from recsvc.core.sources import Popularity
from training.interactions import Interactions
from training.settings import TrainingSettings

UNSEEN = 0.01
"""Purchases that a product without any is credited with, so that logarithms exist."""


def fit_popularity(interactions: Interactions, settings: TrainingSettings) -> Popularity:
    """Logarithms of the decayed shares, and the order of the products."""
    items = interactions.lines["item"].to_numpy()
    n_items = len(interactions.items)
    decayed = interactions.decayed(settings.popularity_half_life_days)
    counts = np.bincount(items, decayed, n_items) + UNSEEN
    # Products that sold long ago alone all decay to the floor: the plain count ranks them.
    order = np.lexsort((-np.bincount(items, minlength=n_items), -counts))
    return Popularity(np.log(counts / counts.sum()).astype(np.float32), order.astype(np.int32))
