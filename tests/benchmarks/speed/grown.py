"""A trained model with as many products as are wanted: the real ones, and copies like them.

Training on a million products takes hours, and vectors drawn at random are unlike any that
training finds. A copy has its parent's factors with noise, its neighbours among the copies of the
parent's neighbours, its kind, its places; and it sells less, the later it was made: a long tail.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.attributes import Attributes
from recsvc.core.catalogue import Catalogue
from recsvc.core.factors import Factors
from recsvc.core.histories import Histories
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.level_statistics import LevelStatistics
from recsvc.core.model import Model
from recsvc.core.places import Places
from recsvc.core.ranking import BESIDE_BASKET
from recsvc.core.sources import (
    Collaborative,
    ItemToItem,
    LikeCustomers,
    Popularity,
    PopularityByPlace,
    Source,
    Spectral,
)
from recsvc.core.sparse import SparseRows
from recsvc.core.visits import Visits
from recsvc.core.vocabulary import MISSING, StringTable, Vocabulary

NOISE = 0.4
"""Of a copy's factors, in deviations of each: copies of one product are near, and not the same."""
MAX_COPIES_OF_CUSTOMERS = 16
N_ROWS_AT_ONCE = 20_000
_N_STEPS = 1 << 16

Items = NDArray[np.int32]
Column = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of rows whose columns are copies.

    Attributes:
        indptr: int64, shape ``(n_rows + 1,)``.
        items: int32: the columns, ascending in each row.
        source: int32: positions of the entries that they are copies of.
    """

    indptr: NDArray[np.int64]
    items: Items
    source: Items

    def rows(self, values: Column) -> SparseRows:
        """The same with the values of the entries that were copied."""
        return SparseRows(self.indptr, self.items, values[self.source])


class Family:
    """The products of the grown catalogue.

    Args:
        order: int32: the real products, the most bought first; too many are cut off at the end.
        n_items: how many there shall be.
        rng: chooses among copies.
    """

    def __init__(self, order: Items, n_items: int, rng: np.random.Generator) -> None:
        kept = np.sort(order[:n_items])
        n_kept = len(kept)
        self.n_items = n_items
        self.parents = kept[np.arange(n_items) % n_kept]
        """int32, shape ``(n_items,)``: the real product that each is, or is a copy of."""
        self.shares = (1.0 / (1 + np.arange(n_items) // n_kept)).astype(np.float32)
        """float32, likewise: what it sells of what its parent does."""
        self.n_generations = -(-n_items // n_kept)
        self._rng, self._n_kept = rng, n_kept
        self._position = np.full(len(order), MISSING, np.int32)
        self._position[kept] = np.arange(n_kept)
        heights = np.cumsum(1.0 / (1 + np.arange(self.n_generations)))
        steps = (np.arange(_N_STEPS) + 0.5) / _N_STEPS * heights[-1]
        self._generations = np.searchsorted(heights, steps).astype(np.int32)

    def copies(self, items: Items) -> Items:
        """A copy of each real product, the early ones oftener; MISSING of what was cut off."""
        at = self._position[items]
        drawn = self._rng.integers(0, _N_STEPS, len(items), np.int32)
        copies = at + self._n_kept * self._generations[drawn]
        copies = np.where(copies < self.n_items, copies, at).astype(np.int32)
        copies[at == MISSING] = MISSING
        return copies

    def entries(self, rows: SparseRows, of: Items, each: int = 1) -> Entries:
        """Rows of real products as rows of copies, ``each`` of every entry.

        Args:
            rows: with real products as columns.
            of: int32: which of them, row by row.
            each: how many copies at most.
        """
        parts = list(self._parts(rows, of, each))
        lengths, items, source = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Entries(np.append(0, np.cumsum(lengths)), items, source)

    def _parts(
        self, rows: SparseRows, of: Items, each: int
    ) -> Iterator[tuple[NDArray[np.int64], Items, Items]]:
        for start in range(0, max(len(of), 1), N_ROWS_AT_ONCE):
            some = of[start : start + N_ROWS_AT_ONCE]
            flat, lengths = rows.entries(some)
            row = np.repeat(np.arange(len(some)), lengths * each)
            flat = np.repeat(flat, each)
            copies = self.copies(rows.indices[flat])
            keys = row * np.int64(self.n_items) + copies
            _, first = np.unique(np.where(copies == MISSING, MISSING, keys), return_index=True)
            first = first[copies[first] != MISSING]
            counts = np.bincount(row[first], minlength=len(some))
            yield counts, copies[first], flat[first].astype(np.int32)


def grown(model: Model, n_items: int, seed: int = 0) -> Model:
    """The model with so many products.

    Customers become more with the products, :data:`MAX_COPIES_OF_CUSTOMERS` times as many at
    most. What goes into a basket is left out, as no list for a shopper reads it.
    """
    rng = np.random.default_rng(seed)
    family = Family(model.popularity.order, n_items, rng)
    n_times = min(family.n_generations, MAX_COPIES_OF_CUSTOMERS)
    people = np.tile(np.arange(len(model.customers), dtype=np.int32), n_times)
    known = model.histories
    bought = family.entries(SparseRows(known.indptr, known.items, known.weight), people)
    places = _places(model.places, family)
    return replace(
        model,
        customers=Vocabulary.from_ids([f"c{number}" for number in range(len(people))]),
        histories=_histories(known, bought, people),
        catalogue=_catalogue(model.catalogue, family),
        statistics=_statistics(model.statistics, family),
        places=places,
        visits=Visits(model.visits.level, _tiled(model.visits.places, people)),
        sources=tuple(
            _source(source, family, bought, people, places, rng) for source in model.sources
        ),
        baskets=None,
        rankers={task: r for task, r in model.rankers.items() if task not in BESIDE_BASKET},
    )


def _tiled(rows: SparseRows, of: Items) -> SparseRows:
    flat, lengths = rows.entries(of)
    return SparseRows(np.append(0, np.cumsum(lengths)), rows.indices[flat], rows.values[flat])


def _histories(known: Histories, bought: Entries, people: Items) -> Histories:
    source = bought.source
    return Histories(
        bought.indptr,
        bought.items,
        known.short[source],
        known.long[source],
        known.weight[source],
        known.n_purchases[source],
        known.first_time[source],
        known.last_time[source],
        known.usual_quantity[source],
        known.homes[people],
    )


def _catalogue(known: Catalogue, family: Family) -> Catalogue:
    parents = family.parents
    n = len(parents)
    return Catalogue(
        Vocabulary.from_ids([f"p{number:07d}" for number in range(n)]),
        StringTable.from_strings([""] * n),
        known.categories,
        known.brands,
        known.currencies,
        known.category[parents],
        known.brand[parents],
        known.currency[parents],
        known.price[parents],
        known.available_from[parents],
        known.available_to[parents],
        Attributes.none(n),
        Vocabulary.from_ids([]),
        np.full(n, MISSING, np.int32),
        known.sensitive[parents],
    )


def _statistics(known: ItemStatistics, family: Family) -> ItemStatistics:
    parents = family.parents
    return ItemStatistics(
        np.log1p(np.expm1(known.log_buyers[parents]) * family.shares),
        known.trend[parents],
        known.age_days[parents],
        known.repeat_rate[parents],
        known.interval_days[parents],
        known.log_price[parents] if len(known.log_price) else known.log_price,
        known.position[parents],
    )


def _places(known: Places, family: Family) -> Places:
    levels = []
    for level in known.levels:
        of = np.arange(len(level.counts), dtype=np.int32)
        each = round(family.n_generations**0.5)  # a place has a part of a large catalogue
        found = family.entries(level.counts, of, each)
        counts = found.rows(level.counts.values)
        sums = np.append(0, np.cumsum(counts.values, dtype=np.float64))
        totals = (sums[counts.indptr[1:]] - sums[counts.indptr[:-1]]).astype(np.float32)
        n_purchases, n_recent = level.n_purchases[found.source], level.n_recent[found.source]
        levels.append(LevelStatistics(level.keys, counts, n_purchases, n_recent, totals))
    shares = known.shares[family.parents] * family.shares
    return Places(
        tuple(levels),
        known.store_parents,
        known.store_names,
        shares / shares.sum(),
        known.n_purchases[family.parents] * family.shares,
        known.n_recent[family.parents] * family.shares,
        known.shrinkage,
    )


def _source(
    source: Source,
    family: Family,
    bought: Entries,
    people: Items,
    places: Places,
    rng: np.random.Generator,
) -> Source:
    parents = family.parents
    match source:
        case Collaborative():
            made: Source = replace(source, factors=_factors(source.factors, family, rng))
        case ItemToItem(name="ease"):  # training gives it to the head of a catalogue alone
            made = replace(source, weights=_head(source.weights, family))
        case ItemToItem():
            found = family.entries(source.weights, parents)
            made = replace(source, weights=found.rows(source.weights.values))
        case LikeCustomers():
            baskets = bought.rows(source.baskets.values)
            made = replace(source, baskets=baskets, buyers=_transposed(baskets, len(parents)))
        case Spectral():
            purchases = family.entries(source.purchases, people).rows(source.purchases.values)
            made = replace(
                source,
                purchases=purchases,
                buyers=_transposed(purchases, len(parents)),
                vectors=_noisy(source.vectors, family, rng),
                scale=np.maximum(source.scale[parents] * np.sqrt(family.shares), 1),
            )
        case PopularityByPlace():
            made = PopularityByPlace(places)
        case Popularity():
            columns = (source.log_shares, source.log_shares_long, source.log_shares_first)
            less = [column[parents] + np.log(family.shares) for column in columns]
            order = np.argsort(-less[0], kind="stable").astype(np.int32)
            made = Popularity(less[0], less[1], less[2], order)
        case _:
            made = source
    return made


def _factors(known: Factors, family: Family, rng: np.random.Generator) -> Factors:
    items = _noisy(known.items, family, rng)
    # What few buy has short factors.
    items *= np.sqrt(family.shares)[:, None]
    return replace(known, items=items, gram=items.T @ items)


def _noisy(vectors: Column, family: Family, rng: np.random.Generator) -> Column:
    """Of each product its parent's vector; the copies' with noise."""
    deviation = NOISE * vectors.std(axis=0)
    columns = np.empty((vectors.shape[1], family.n_items), np.float32)
    is_copy = family.shares < 1
    for column, known, spread in zip(columns, vectors.T, deviation, strict=True):
        column[:] = known[family.parents]
        column[is_copy] += spread * rng.standard_normal(np.count_nonzero(is_copy), np.float32)
    return columns.T


def _head(rows: SparseRows, family: Family) -> SparseRows:
    """Rows of the real products alone, among themselves."""
    n_kept = np.count_nonzero(family.shares == 1)
    kept = family.parents[:n_kept]
    position = np.full(len(rows), MISSING, np.int32)
    position[kept] = np.arange(n_kept)
    flat, lengths = rows.entries(kept)
    columns = position[rows.indices[flat]]
    row = np.repeat(np.arange(n_kept), lengths)[columns != MISSING]
    counts = np.bincount(row, minlength=family.n_items)
    indptr = np.append(0, np.cumsum(counts))
    return SparseRows(indptr, columns[columns != MISSING], rows.values[flat][columns != MISSING])


def _transposed(rows: SparseRows, n_columns: int) -> SparseRows:
    matrix = csr_array((rows.values, rows.indices, rows.indptr), shape=(len(rows), n_columns))
    return SparseRows.from_csr(matrix.T.tocsr())
