"""Each customer's own purchases and home place."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsvc.core.histories import Histories
from recsvc.core.places import PLACE_LEVELS
from recsvc.core.vocabulary import MISSING
from training.interactions import Interactions
from training.settings import TrainingSettings


def fit_histories(interactions: Interactions, settings: TrainingSettings) -> Histories:
    """One row a customer and product: decayed purchases, their number, times and usual quantity."""
    long = interactions.decayed(settings.long_half_life_days)
    rows = (
        interactions.lines.with_columns(
            # What is bought again is a matter of occasions: weighing them by quantity
            # costs a year of groceries .02 of nDCG@10.
            short=interactions.decayed(settings.short_half_life_days),
            long=long,
            weight=interactions.lines["weight"].to_numpy() * long,
        )
        .group_by("customer", "item")
        .agg(
            pl.col("short", "long", "weight").sum(),
            pl.len(),
            pl.col("time").min().alias("first"),
            pl.col("time").max().alias("last"),
            pl.col("quantity").quantile(0.5, "lower"),
        )
        .sort("customer", "item")
    )
    n_customers = len(interactions.customers)
    indptr = np.zeros(n_customers + 1, np.int64)
    np.cumsum(np.bincount(rows["customer"].to_numpy(), minlength=n_customers), out=indptr[1:])
    return Histories(
        indptr,
        rows["item"].to_numpy().astype(np.int32),
        rows["short"].to_numpy().astype(np.float32),
        rows["long"].to_numpy().astype(np.float32),
        rows["weight"].to_numpy().astype(np.float32),
        rows["len"].to_numpy().astype(np.int32),
        rows["first"].to_numpy().astype(np.int64),
        rows["last"].to_numpy().astype(np.int64),
        rows["quantity"].to_numpy().astype(np.float32),
        homes(interactions),
    )


def homes(interactions: Interactions) -> NDArray[np.int32]:
    """int32, shape ``(n_customers, 5)``: where each customer buys most often.

    Visits are counted, not lines: a big monthly shop is one visit. They are counted at the
    finest level that is known of each, so that a store whose visits were located a street
    apart is still one store. Of two places with as many visits the later one wins: people
    move.
    """
    indices = interactions.locations.indices
    finest = (indices != MISSING).argmax(axis=1)
    at_finest = indices[np.arange(len(indices)), finest]
    visits = interactions.lines.with_columns(
        level=finest[interactions.lines["location"].to_numpy()],
        place=at_finest[interactions.lines["location"].to_numpy()],
    ).filter(pl.col("place") != MISSING)
    place = _most_visited(visits, ["level", "place"])
    location = _most_visited(
        visits.join(place, on=["customer", "level", "place"], how="semi"), ["location"]
    )
    found = np.full((len(interactions.customers), len(PLACE_LEVELS)), MISSING, np.int32)
    found[location["customer"].to_numpy()] = indices[location["location"].to_numpy()]
    return found


def _most_visited(visits: pl.DataFrame, where: list[str]) -> pl.DataFrame:
    """One row a customer: of the places that ``where`` tells apart the most visited."""
    return (
        visits.group_by("customer", *where)
        .agg(pl.col("time").n_unique().alias("visits"), pl.col("time").max(), pl.len())
        .sort(
            ["customer", "visits", "time", "len", *where],
            descending=[False, True, True, True, *(False for _ in where)],
        )
        .unique("customer", keep="first", maintain_order=True)
        .select("customer", *where)
    )
