"""Where each customer usually buys."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.places import PLACE_LEVELS, Level
from recsvc.core.sparse import SparseRows
from recsvc.core.visits import Visits
from recsvc.core.vocabulary import MISSING
from training.interactions import Interactions
from training.settings import TrainingSettings

N_PLACES = 5
"""Places kept of each customer."""


def fit_visits(interactions: Interactions, settings: TrainingSettings) -> Visits:
    """Shares of each customer's orders, decayed, at the most visited places."""
    locations = interactions.locations
    places = locations.indices[interactions.lines["location"].to_numpy()]
    level = _usual_level(places)
    place = places[:, level]
    orders = (
        interactions.lines.select(
            "customer",
            "order",
            place=pl.Series(place),
            visits=pl.Series(interactions.decayed(settings.long_half_life_days)),
        )
        .filter(pl.col("place") != MISSING)
        .unique(["customer", "order"], keep="first", maintain_order=True)
    )
    shares = (
        orders.group_by("customer", "place", maintain_order=True)  # sums of one order: reproducible
        .agg(pl.col("visits").sum())
        .with_columns(share=pl.col("visits") / pl.col("visits").sum().over("customer"))
        .sort(["customer", "visits", "place"], descending=[False, True, False])
        .group_by("customer", maintain_order=True)
        .head(N_PLACES)
        .filter(pl.col("share").is_finite())  # decayed to nothing
    )
    pairs = (shares["customer"].to_numpy(), shares["place"].to_numpy())
    shape = (len(interactions.customers), len(locations.keys[level]))
    matrix = csr_array((shares["share"].to_numpy().astype(np.float32), pairs), shape)
    return Visits(level, SparseRows.from_csr(matrix))


def _usual_level(places: NDArray[np.int32]) -> Level:
    """The finest level that most purchases have; where none has, the one that the most have.

    Not the finest that any has: one store among many postal codes would leave all others nowhere.
    """
    known = (places != MISSING).sum(axis=0)
    enough = max(min(len(places) / 2, known.max()), 1)
    return next((level for level in PLACE_LEVELS if known[level] >= enough), Level.COUNTRY)
