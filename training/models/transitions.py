"""What is bought next after what: directed transitions by time gap."""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array, diags_array

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.sources import ItemToItem, Memory
from training.interactions import Interactions
from training.models.strongest import Row, rows_of, strongest
from training.settings import TrainingSettings

BLOCK_WEIGHTS = 1 << 24
"""Weights that are counted before they are cut, at most: 128 MiB."""


def fit_transitions(interactions: Interactions, settings: TrainingSettings) -> ItemToItem:
    """How often a product follows another, from one stretch of time to the next.

    Time is cut into stretches of ``transition_days``, the last of them ending with the data.
    A product follows another once for each customer who bought the one in a stretch and the
    other in the next; lately counts more. Counts are divided by the roots of both products'
    numbers: plain ones find nothing but best sellers.
    """
    n_items = len(interactions.items)
    item = interactions.lines["item"].to_numpy()
    decayed = interactions.decayed(settings.transition_half_life_days)
    number = np.maximum(np.bincount(item, decayed, n_items), 1)
    scale = diags_array((1 / np.sqrt(number)).astype(np.float32))
    before, after = _pairs(interactions, settings)
    before, after = csr_array((before @ scale).T.tocsr()), csr_array(after @ scale)
    weights = strongest(_product(before, after), settings.n_neighbours)
    return ItemToItem("transitions", weights, Memory.SHORT)


def _product(left: csr_array, right: csr_array) -> Iterator[Row]:
    """Rows of ``left @ right``, which as a whole would take gigabytes."""
    n_rows = max(1, BLOCK_WEIGHTS // right.shape[1])
    for first in range(0, left.shape[0], n_rows):
        yield from rows_of(csr_array(left[first : first + n_rows] @ right))


def _pairs(interactions: Interactions, settings: TrainingSettings) -> tuple[csr_array, csr_array]:
    """What was bought in one stretch and in the next: a row each customer who did both.

    The first matrix holds the decay of its stretch, the second 1.
    """
    lines = interactions.lines
    age_days = (interactions.end - lines["time"].to_numpy()) / SECONDS_A_DAY
    stretch = (age_days // settings.transition_days).astype(np.int64)
    n_stretches = int(stretch.max(initial=0)) + 1
    # One row a customer and stretch, the later stretch of a customer first.
    key = lines["customer"].to_numpy().astype(np.int64) * n_stretches + stretch
    baskets, basket = np.unique(key, return_inverse=True)
    shape = (len(baskets), len(interactions.items))
    ones = np.ones(len(basket), np.float32)
    bought = csr_array((ones, (basket, lines["item"].to_numpy())), shape)
    bought.sum_duplicates()
    bought.data[:] = 1
    ages = baskets % n_stretches
    before = np.flatnonzero((np.diff(baskets, prepend=-2) == 1) & (ages > 0))
    age_days_before = ages[before] * settings.transition_days
    decay = np.exp2(-age_days_before / settings.transition_half_life_days).astype(np.float32)
    return csr_array(diags_array(decay) @ bought[before]), csr_array(bought[before - 1])
