"""Popularity by place, at every level that the data has."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.level_statistics import LevelStatistics
from recsvc.core.places import PLACE_LEVELS, Level, Places
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import MISSING, StringTable
from training.interactions import Interactions
from training.models.popularity import UNSEEN
from training.settings import TrainingSettings


def fit_places(interactions: Interactions, settings: TrainingSettings) -> Places:
    """Counts of every place at every level, and the shares everywhere."""
    items = interactions.lines["item"].to_numpy()
    decayed = interactions.decayed(settings.place_half_life_days)
    age_days = (interactions.end - interactions.lines["time"].to_numpy()) / SECONDS_A_DAY
    recent = (age_days <= settings.recent_days) & interactions.has_times
    n_items = len(interactions.items)
    shares = np.bincount(items, decayed, n_items) + UNSEEN
    return Places(
        tuple(_level(interactions, level, items, decayed, recent) for level in PLACE_LEVELS),
        interactions.locations.store_parents,
        StringTable.from_strings(interactions.locations.store_names),
        (shares / shares.sum()).astype(np.float32),
        np.bincount(items, minlength=n_items).astype(np.float32),
        np.bincount(items, recent, n_items).astype(np.float32),
        settings.place_shrinkage,
    )


def _level(
    interactions: Interactions,
    level: Level,
    items: NDArray[np.int32],
    decayed: NDArray[np.float32],
    recent: NDArray[np.bool_],
) -> LevelStatistics:
    locations = interactions.locations
    places = locations.indices[interactions.lines["location"].to_numpy(), level]
    here = places != MISSING
    keys = locations.keys[level]
    shape = (len(keys), len(interactions.items))
    pairs = (places[here], items[here])

    def summed(values: NDArray[np.generic]) -> SparseRows:
        return SparseRows.from_csr(csr_array((values[here], pairs), shape))

    counts = summed(decayed)
    return LevelStatistics(
        keys,
        counts,
        summed(np.ones(len(items), np.float32)).values,
        summed(recent.astype(np.float32)).values,
        np.bincount(places[here], decayed[here], len(keys)).astype(np.float32),
    )
