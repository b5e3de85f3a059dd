"""Counted baskets, given by hand or counted from purchases."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np
from scipy.sparse import csr_array

from recsvc.core.baskets import Baskets, Pairs
from recsvc.core.model import Model
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import MISSING

N_ITEMS = 10
"""As many as the sample's shop has."""


def pairs_of(
    n_baskets: int, n_with: Mapping[int, int], n_both: Mapping[tuple[int, int], int]
) -> Pairs:
    """Return counts: of baskets, of those with a product, and of those with two, either way."""
    alone = np.zeros(N_ITEMS, np.float32)
    both = np.zeros((N_ITEMS, N_ITEMS), np.float32)
    for item, n in n_with.items():
        alone[item] = n
    for (one, other), n in n_both.items():
        both[one, other] = both[other, one] = n
    rows = SparseRows.from_csr(csr_array(both))
    return Pairs(n_baskets, alone, rows, rows.values)


def counted_pairs(baskets: Iterable[set[int]]) -> Pairs:
    """Count baskets of item indices."""
    counted = list(baskets)
    items = range(N_ITEMS)
    return pairs_of(
        len(counted),
        {item: sum(item in basket for basket in counted) for item in items},
        {pair: sum({*pair} <= basket for basket in counted) for pair in permutations(items, 2)},
    )


def with_pairs(model: Model, pairs: Pairs) -> Model:
    """The model with baskets that somebody counted; of categories nobody has."""
    n = len(model.catalogue)
    no_kinds = Pairs(
        pairs.n_baskets, np.zeros(0, np.float32), SparseRows.from_rows([]), np.zeros(0, np.float32)
    )
    kind, shares = np.full(n, MISSING, np.int32), np.zeros(n, np.float32)
    return replace(model, baskets=Baskets(pairs, no_kinds, kind, shares))
