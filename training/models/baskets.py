"""In how many baskets products, and their categories, were together."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.baskets import POPULARITY_POWER, Baskets, Pairs
from recsvc.core.catalogue import Catalogue
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import MISSING
from training.interactions import Interactions
from training.models.strongest import furthest
from training.settings import TrainingSettings

MAX_LINES = 100
"""Products of a basket that is counted: a wholesale order of a thousand is no basket, and has
half a million pairs."""

MIN_PAIRED = 0.1
"""Share of the baskets that hold two products, at least: with fewer there is nothing to tell."""

BLOCK_PAIRS = 1 << 24
"""Pairs that are counted before they are cut, at most: 200 MiB."""


def fit_baskets(
    interactions: Interactions, catalogue: Catalogue, settings: TrainingSettings
) -> Baskets | None:
    """Count the pairs of all orders; ``None`` where hardly any holds two products.

    Of each product the ``basket_partners`` that are closest to it are kept.
    """
    lines = interactions.lines
    ranks = lines.select(pl.struct("customer", "order").rank("dense")).to_series()
    order = ranks.to_numpy().astype(np.int64) - 1
    item = lines["item"].to_numpy()
    kind = catalogue.category
    sizes = np.bincount(order)
    n_paired = np.count_nonzero((sizes > 1) & (sizes <= MAX_LINES))
    if n_paired < max(1, MIN_PAIRED * len(sizes)):
        return None
    usable = sizes[order] <= MAX_LINES
    orders, order = np.unique(order[usable], return_inverse=True)
    item = item[usable]
    n_with = np.bincount(item, minlength=len(interactions.items)).astype(np.float32)
    known = kind[item] != MISSING
    n_kinds = len(catalogue.categories)
    return Baskets(
        _pairs(len(orders), order, item, len(interactions.items), settings.basket_partners),
        _pairs(len(orders), order[known], kind[item[known]], n_kinds, n_kinds),
        kind,
        _shares(kind, n_with),
    )


def _pairs(
    n_baskets: int, order: NDArray[np.int64], thing: NDArray[np.int32], n: int, n_kept: int
) -> Pairs:
    ones = csr_array((np.ones(len(order), np.float32), (order, thing)), (n_baskets, n))
    ones.sum_duplicates()
    ones.data[:] = 1
    others = np.maximum(np.diff(ones.indptr) - 1, 1)
    n_with = np.bincount(ones.indices, minlength=n).astype(np.float32)
    weights = np.repeat(1 / others, np.diff(ones.indptr)).astype(np.float32)
    rows = list(_closest(ones, weights, n_with, n_kept))
    return Pairs(
        n_baskets,
        n_with,
        SparseRows.from_rows([(columns, both) for columns, both, _ in rows]),
        np.concatenate([np.zeros(0, np.float32), *(close for _, _, close in rows)]),
    )


_Row = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]


def _closest(
    ones: csr_array, weights: NDArray[np.float32], n_with: NDArray[np.float32], n_kept: int
) -> Iterator[_Row]:
    """For each thing its partners, in how many baskets both were, and how close they are.

    Args:
        ones: baskets by things, 1 where a basket holds a thing.
        weights: how much each entry of ``ones`` says of those beside it.
        n_with: baskets that hold each thing.
        n_kept: partners of a thing, at most.
    """
    by_thing = csr_array(ones.T.tocsr())
    leaning = (1 / np.maximum(n_with, 1) ** POPULARITY_POWER).astype(np.float32)
    # The most that a row can hold: the lines of all its baskets.
    n_most = np.maximum(by_thing @ np.diff(ones.indptr), 1)
    # Two products in one: the real part counts, the imaginary one adds the weights.
    counted = csr_array((ones.data + 1j * weights, ones.indices, ones.indptr), ones.shape)
    bounds = [0, *_blocks(n_most)]
    for first, last in pairwise(bounds):
        pairs = csr_array(by_thing[first:last] @ counted)
        for row in range(last - first):
            span = slice(pairs.indptr[row], pairs.indptr[row + 1])
            columns, data = pairs.indices[span], pairs.data[span]
            strength = data.imag * leaning[columns]
            strength[columns == first + row] = 0
            kept = furthest(strength, columns, n_kept)
            kept = kept[np.argsort(columns[kept])]
            yield columns[kept].astype(np.int32), data.real[kept], data.imag[kept]


def _blocks(n_most: NDArray[np.float64]) -> list[int]:
    """Where blocks of rows end that hold at most :data:`BLOCK_PAIRS` entries, one row at least."""
    ends, held = [], 0.0
    for row, most in enumerate(n_most.tolist()):
        if held and held + most > BLOCK_PAIRS:
            ends.append(row)
            held = 0.0
        held += most
    return [*ends, len(n_most)]


def _shares(kind: NDArray[np.int32], n_with: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each product's share of its kind; 0 for one of no kind."""
    totals = np.bincount(kind + 1, n_with, int(kind.max(initial=-1)) + 2)
    shares = n_with / np.maximum(totals[kind + 1], 1)
    return np.where(kind == MISSING, 0, shares).astype(np.float32)
