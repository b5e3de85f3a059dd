"""Numbers of each product for the features of the learnt ranker."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsvc.core.cells import position_of
from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.places import Level
from recsvc.core.vocabulary import MISSING
from training.interactions import Interactions
from training.models.popularity import UNSEEN

TREND_DAYS = (14.0, 90.0)
"""Half-lives of the two shares whose ratio is the trend."""
PRIOR_BUYERS = 5.0
"""Buyers like the average one that a product's own rates are shrunk with."""


def fit_item_statistics(interactions: Interactions) -> ItemStatistics:
    """Count them from the purchases."""
    lines, n_items = interactions.lines, len(interactions.items)
    item = lines["item"].to_numpy()
    pairs = lines.group_by("customer", "item").agg(
        pl.len(), pl.col("time").min().alias("first"), pl.col("time").max().alias("last")
    )
    pair_item = pairs["item"].to_numpy()
    buyers = np.bincount(pair_item, minlength=n_items).astype(np.float64)
    again = (pairs["len"] > 1).to_numpy()
    repeats = np.bincount(pair_item, again, n_items)
    mean_rate = repeats.sum() / max(buyers.sum(), 1.0)
    return ItemStatistics(
        np.log1p(buyers).astype(np.float32),
        _trend(interactions, item),
        _age(interactions, pairs),
        ((repeats + PRIOR_BUYERS * mean_rate) / (buyers + PRIOR_BUYERS)).astype(np.float32),
        _intervals(pairs, n_items),
        _log_prices(lines, n_items) if interactions.has_prices else np.zeros(0, np.float32),
        _positions(interactions, item),
    )


def _trend(interactions: Interactions, item: NDArray[np.int32]) -> NDArray[np.float32]:
    late, before = (
        np.bincount(item, interactions.decayed(days), len(interactions.items)) + UNSEEN
        for days in TREND_DAYS
    )
    return np.asarray(np.log(late / late.sum()) - np.log(before / before.sum()), np.float32)


def _age(interactions: Interactions, pairs: pl.DataFrame) -> NDArray[np.float32]:
    first = np.full(len(interactions.items), interactions.end)
    np.minimum.at(first, pairs["item"].to_numpy(), pairs["first"].to_numpy())
    return ((interactions.end - first) / SECONDS_A_DAY).astype(np.float32)


def _intervals(pairs: pl.DataFrame, n_items: int) -> NDArray[np.float32]:
    """Mean days between a customer's purchases of a product, shrunk to the mean of all."""
    repeated = pairs.filter(pl.col("len") > 1)
    item = repeated["item"].to_numpy()
    days = (repeated["last"] - repeated["first"]).to_numpy() / SECONDS_A_DAY
    gaps = days / (repeated["len"].to_numpy() - 1)
    number = np.bincount(item, minlength=n_items)
    usual = gaps.mean() if len(gaps) else 0.0
    mean = (np.bincount(item, gaps, n_items) + PRIOR_BUYERS * usual) / (number + PRIOR_BUYERS)
    return np.where(number > 0, mean, 0.0).astype(np.float32)


def _log_prices(lines: pl.DataFrame, n_items: int) -> NDArray[np.float32]:
    usual = (
        lines.filter(pl.col("price") > 0)
        .group_by("item")
        .agg(pl.col("price").median())
        .sort("item")
    )
    prices = np.full(n_items, np.nan, np.float32)
    prices[usual["item"].to_numpy()] = np.log(usual["price"].to_numpy())
    return prices


def _positions(interactions: Interactions, item: NDArray[np.int32]) -> NDArray[np.float32]:
    """The mean of the cells where each product was bought, back on the sphere."""
    cells = interactions.locations.keys[Level.CELL].ids
    positions = np.zeros((len(interactions.items), 3))
    if not len(cells):
        return positions.astype(np.float32)
    centres = np.stack([position_of(cell) for cell in cells])
    cell = interactions.locations.indices[interactions.lines["location"].to_numpy(), Level.CELL]
    known = cell != MISSING
    for axis in range(3):
        weights = centres[cell[known], axis]
        positions[:, axis] = np.bincount(item[known], weights, len(positions))
    lengths = np.linalg.norm(positions, axis=1, keepdims=True)
    return np.asarray(positions / np.maximum(lengths, 1e-12), np.float32)
