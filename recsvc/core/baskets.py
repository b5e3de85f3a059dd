"""What is bought in one basket with what: complements, as the baskets of the past tell them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.sources.base import Items, Moment, Scores, Strategy
from recsvc.core.sparse import SparseRows, Sum
from recsvc.core.vocabulary import MISSING, Arrays

MAX_BASKET = 30
"""Products of a basket that are looked at, those in the fewest baskets: what everybody buys says
least, and nobody waits for a hundred."""

PRIOR = np.float32(5.0)
"""Baskets of a product that never had the other, counted beside the real ones: a product that was
in one basket with another, once, says nothing yet."""

POPULARITY_POWER = np.float32(0.3)
"""How much of a product's own frequency is divided out: all of it finds flukes, nothing of it
finds milk (hit rate @10 of a hidden grocery .145 with this power, .121 with 0)."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """In how many baskets things were together: products, or kinds of them.

    Attributes:
        n_baskets: how many baskets there were.
        n_with: float32, shape ``(n,)``: how many had each.
        both: for each the others it was with, and in how many baskets.
        close: float32, of the shape of ``both.values``: the same baskets, each counted as one
            over its other products; a pair that was alone in a basket says more than two of
            fifty.
    """

    n_baskets: int
    n_with: Scores
    both: SparseRows
    close: Scores

    def matrix(self, rows: Items, columns: Items, values: Scores) -> Scores:
        """float32, shape ``(len(rows), len(columns))``: ``values``, of ``both``, as a table."""
        at = np.full(len(self.n_with), MISSING, np.int32)
        at[columns] = np.arange(len(columns), dtype=np.int32)
        flat, lengths = self.both.entries(rows)
        column = at[self.both.indices[flat]]
        row = np.repeat(np.arange(len(rows)), lengths)
        found = column != MISSING
        table = np.zeros((len(rows), len(columns)), np.float32)
        table[row[found], column[found]] = values[flat[found]]
        return table

    def log_lifts(self, rows: Items, columns: Items, prior: float) -> Scores:
        """Logarithm of the lift of each pair, shrunk; shape ``(len(rows), len(columns))``."""
        expected = np.outer(self.n_with[rows], self.n_with[columns]) / self.n_baskets
        together = self.matrix(rows, columns, self.both.values)
        return np.asarray(np.log((together + prior) / (expected + prior)), np.float32)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            **self.both.to_arrays(prefix),
            f"{prefix}.close": self.close,
            f"{prefix}.n_with": self.n_with,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, n_baskets: int) -> Self:
        """The inverse of :meth:`to_arrays`."""
        return cls(
            n_baskets,
            np.asarray(arrays[f"{prefix}.n_with"], np.float32),
            SparseRows.from_arrays(arrays, prefix),
            np.asarray(arrays[f"{prefix}.close"], np.float32),
        )


@dataclass(frozen=True, slots=True)
class Baskets:
    """The source of what goes into a basket with what is in it.

    Attributes:
        products: pairs of products.
        kinds: pairs of categories; of nothing where the catalogue has none.
        kind: int32, shape ``(n_items,)``: category of each product, MISSING unknown.
        share_of_kind: float32, likewise: its share of what is bought of its category.
    """

    name: ClassVar[str] = "together"
    features: ClassVar[Mapping[str, Strategy]] = {"together": Strategy.BOUGHT_TOGETHER}

    products: Pairs
    kinds: Pairs
    kind: Items
    share_of_kind: Scores

    def looked_at(self, basket: Items) -> Items:
        """The products of a basket that say most."""
        if len(basket) <= MAX_BASKET:
            return basket
        rarest = np.argsort(self.products.n_with[basket], kind="stable")
        return np.sort(basket[rarest[:MAX_BASKET]])

    def propose(self, moment: Moment, limit: int) -> Items:
        """What was in baskets with these products, for its frequency."""
        return self._sum(moment).top(limit, moment.allowed)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """The sum over the basket of how close each product is to it."""
        return [self._sum(moment).values[items]]

    def _sum(self, moment: Moment) -> Sum:
        def compute() -> Sum:
            basket, pairs = self.looked_at(moment.basket), self.products
            weights = 1 / (pairs.n_with[basket] + PRIOR)
            flat, lengths = pairs.both.entries(basket)
            terms = pairs.close[flat] * np.repeat(weights, lengths)
            items, n_items = pairs.both.indices[flat], len(pairs.n_with)
            sums = np.bincount(items, terms, n_items)
            if not Sum.is_sparse(len(items), n_items):
                popularity = np.maximum(pairs.n_with, 1) ** POPULARITY_POWER
                return Sum((sums / popularity).astype(np.float32))
            values = np.zeros(n_items, np.float32)
            values[items] = sums[items] / np.maximum(pairs.n_with[items], 1) ** POPULARITY_POWER
            return Sum(values, items)

        return moment.dense(self.name, compute)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            **self.products.to_arrays(f"{prefix}.products"),
            **self.kinds.to_arrays(f"{prefix}.kinds"),
            f"{prefix}.kind": self.kind,
            f"{prefix}.share_of_kind": self.share_of_kind,
        }

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""
        return {"n_baskets": self.products.n_baskets}

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, parameters: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_arrays` and :meth:`to_parameters`."""
        n_baskets = int(parameters["n_baskets"])
        return cls(
            Pairs.from_arrays(arrays, f"{prefix}.products", n_baskets),
            Pairs.from_arrays(arrays, f"{prefix}.kinds", n_baskets),
            np.asarray(arrays[f"{prefix}.kind"], np.int32),
            np.asarray(arrays[f"{prefix}.share_of_kind"], np.float32),
        )


COLUMNS = (
    *(f"{of}_{how}" for of in ("share", "close", "leaning") for how in ("sum", "max")),
    *(f"lift_{how}" for how in ("sum", "max", "min")),
    *(f"n_both_{how}" for how in ("sum", "max")),
    *(f"kind_lift_{how}" for how in ("mean", "max", "min")),
    "n_same_kind",
    "share_of_kind",
    "n_basket",
    *(f"{of}_rank" for of in ("share", "close", "leaning", "lift")),
)
"""What :func:`basket_columns` gives, in its order."""


def basket_columns(baskets: Baskets, basket: Items, items: Items) -> Iterable[Scores]:
    """Features of candidates beside a basket, one float32 array of shape ``(len(items),)`` each.

    ``share`` is how many of the baskets with a product of this one had the candidate, ``close``
    the same of small baskets rather than large ones, and ``leaning`` is ``share`` with some of the
    candidate's frequency divided out. Of each the sum over the basket, and its largest term.
    """
    basket, pairs = baskets.looked_at(basket), baskets.products
    if not len(basket) or not len(items):
        return [np.zeros(len(items), np.float32)] * len(COLUMNS)
    both = pairs.matrix(basket, items, pairs.both.values)
    scale = 1 / (pairs.n_with[basket] + PRIOR)[:, None]
    share = both * scale
    close = pairs.matrix(basket, items, pairs.close) * scale
    leaning = close / np.maximum(pairs.n_with[items], 1) ** POPULARITY_POWER
    expected = np.outer(pairs.n_with[basket], pairs.n_with[items]) / np.float32(pairs.n_baskets)
    lift = np.log((both + 1) / (expected + 1))
    same_kind = baskets.kind[basket][:, None] == baskets.kind[items]
    same_kind &= baskets.kind[items] != MISSING
    columns = [
        *(table for of in (share, close, leaning) for table in (of.sum(axis=0), of.max(axis=0))),
        lift.sum(axis=0),
        lift.max(axis=0),
        lift.min(axis=0),
        np.log1p(both).sum(axis=0),
        np.log1p(both).max(axis=0),
        *_kind_lifts(baskets, basket, items),
        same_kind.sum(axis=0),
        baskets.share_of_kind[items],
        np.full(len(items), len(basket)),
    ]
    ranked = [columns[0], columns[2], columns[4], columns[6]]
    return [*(np.asarray(c, np.float32) for c in columns), *map(_ranks, ranked)]


def _kind_lifts(baskets: Baskets, basket: Items, items: Items) -> list[Scores]:
    """Mean, largest and smallest lift between a candidate's kind and those of the basket."""
    kinds = np.unique(baskets.kind[basket])
    kinds = kinds[kinds != MISSING]
    theirs = baskets.kind[items]
    if not len(kinds):
        return [np.zeros(len(items), np.float32)] * 3
    columns, at = np.unique(theirs, return_inverse=True)
    known = columns != MISSING
    table = np.zeros((len(kinds), len(columns)), np.float32)
    table[:, known] = baskets.kinds.log_lifts(kinds, columns[known], float(PRIOR))
    return [table.mean(axis=0)[at], table.max(axis=0)[at], table.min(axis=0)[at]]


def _ranks(scores: Scores) -> Scores:
    """float32: how many of the scores are larger, ties in the order of the list."""
    ranks = np.empty(len(scores), np.float32)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(len(scores), dtype=np.float32)
    return ranks
