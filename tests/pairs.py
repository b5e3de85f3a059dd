"""Counted baskets, given by hand or counted from purchases."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
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


def counted_baskets(baskets: Collection[set[int]], kind: NDArray[np.int32]) -> Baskets:
    """Count baskets of item indices, and of what kinds they are, plainly."""
    n_with = np.array([sum(i in basket for basket in baskets) for i in range(len(kind))])
    kinds = [{int(kind[i]) for i in basket} - {MISSING} for basket in baskets]
    totals = [sum(n_with[kind == one]) for one in kind]
    shares = [
        n / total if one != MISSING and total else 0
        for n, one, total in zip(n_with, kind, totals, strict=True)
    ]
    return Baskets(
        _counted(baskets, len(kind)),
        _counted(kinds, int(kind.max(initial=-1)) + 1),
        kind,
        np.array(shares, np.float32),
    )


def _counted(baskets: Collection[set[int]], n: int) -> Pairs:
    both, close = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
    for basket in baskets:
        for one, other in permutations(basket, 2):
            both[one, other] += 1
            close[one, other] += 1 / (len(basket) - 1)
    n_with = [sum(thing in basket for basket in baskets) for thing in range(n)]
    return Pairs(
        len(baskets),
        np.array(n_with, np.float32),
        SparseRows.from_csr(csr_array(both)),
        SparseRows.from_csr(csr_array(close)).values,
    )


def with_baskets(model: Model, *baskets: str) -> Model:
    """The model with these baskets, each the ids of its products with spaces between them."""
    known = [set(model.catalogue.items.indices(basket.split()).tolist()) for basket in baskets]
    return replace(model, baskets=counted_baskets(known, model.catalogue.category))


def with_pairs(model: Model, pairs: Pairs) -> Model:
    """The model with baskets that somebody counted; of categories nobody has."""
    n = len(model.catalogue)
    no_kinds = Pairs(
        pairs.n_baskets, np.zeros(0, np.float32), SparseRows.from_rows([]), np.zeros(0, np.float32)
    )
    kind, shares = np.full(n, MISSING, np.int32), np.zeros(n, np.float32)
    return replace(model, baskets=Baskets(pairs, no_kinds, kind, shares))
