"""Popularity everywhere, with a short memory."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsvc.core.sources import Popularity
from training.interactions import Interactions
from training.settings import TrainingSettings

UNSEEN = 0.01
"""Purchases that a product without any is credited with, so that logarithms exist."""


def fit_popularity(interactions: Interactions, settings: TrainingSettings) -> Popularity:
    """Logarithms of the decayed shares, and the order of the products."""
    items = interactions.lines["item"].to_numpy()
    n_items = len(interactions.items)

    def counts(half_life_days: float, of: NDArray[np.bool_] | float = 1.0) -> NDArray[np.float64]:
        decayed = interactions.decayed(half_life_days) * of
        return np.asarray(np.bincount(items, decayed, n_items) + UNSEEN, np.float64)

    recent = counts(settings.popularity_half_life_days)
    long = counts(settings.popularity_long_half_life_days)
    first = counts(settings.popularity_first_half_life_days, _is_first(interactions))
    # Products that sold long ago alone all decay to the floor: the plain count ranks them.
    order = np.lexsort((-np.bincount(items, minlength=n_items), -recent))
    return Popularity(
        _log_shares(recent), _log_shares(long), _log_shares(first), order.astype(np.int32)
    )


def _is_first(interactions: Interactions) -> NDArray[np.bool_]:
    """bool, shape ``(n_lines,)``: the customer had never bought the product; lines are in time."""
    return (
        interactions.lines.select(pl.struct("customer", "item").is_first_distinct())
        .to_series()
        .to_numpy()
    )


def _log_shares(counts: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(np.log(counts / counts.sum()), np.float32)
