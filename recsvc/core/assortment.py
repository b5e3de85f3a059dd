"""What is sold now: what the model has learnt, what has changed of it since, and what is new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Catalogue, Product
from recsvc.core.catalogue_index import CatalogueIndex
from recsvc.core.content import Content
from recsvc.core.sparse import SparseRows, distinct
from recsvc.core.vocabulary import MISSING, Vocabulary

NO_ROW = np.zeros(0, np.int32), np.zeros(0, np.float32)
NONE_NEAR = SparseRows(np.zeros(1, np.int64), *NO_ROW)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Assortment:
    """The products of a moment; immutable, and shared by all threads.

    Attributes:
        catalogue: first the products that the model has learnt, by its item index, then the
            newcomers, in the order in which they came.
        n_learnt: how many of them the model has learnt.
        near: newcomers by learnt products: how alike they are.
        described: by id what was said of a product since, whole; the catalogue's arrays hold
            only what lists are made from.
        content: the words of the learnt products, where there are newcomers.
        lineage: the same for all that one assortment has grown into: their items keep their
            indices.
        index: names of the catalogue as callers may write them.
        turns: int64, ascending: when a product's availability begins or ends, seconds since 1970.
        groups: int32, shape ``(n_items,)``: what variants of one product share,
            :data:`MISSING` for a product without variants; empty where no product has any.
        unnamed: int32: items that no reason may name.
        bounded: int32, ascending: items that are not always available.
        variants: int32: items that have a group, group by group.
        variant_starts: int64, shape ``(n_groups + 1,)``: where in them each group begins.
    """

    catalogue: Catalogue
    n_learnt: int
    near: SparseRows = NONE_NEAR
    described: Mapping[str, Product] = field(default_factory=dict)
    content: Content | None = None
    lineage: object = field(default_factory=object)
    index: CatalogueIndex = field(init=False)
    turns: NDArray[np.int64] = field(init=False)
    groups: NDArray[np.int32] = field(init=False)
    unnamed: NDArray[np.int32] = field(init=False)
    bounded: NDArray[np.int32] = field(init=False)
    variants: NDArray[np.int32] = field(init=False)
    variant_starts: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        catalogue = self.catalogue
        object.__setattr__(self, "index", CatalogueIndex.of(catalogue))
        begins, ends = catalogue.available_from, catalogue.available_to
        bounded = np.flatnonzero((begins != ALWAYS_FROM) | (ends != ALWAYS_TO)).astype(np.int32)
        object.__setattr__(self, "bounded", bounded)
        turns = np.unique([begins[bounded], ends[bounded]])
        turns = turns[(turns != ALWAYS_FROM) & (turns != ALWAYS_TO)]
        object.__setattr__(self, "turns", turns)
        groups = catalogue.group if len(catalogue.groups) else catalogue.group[:0]
        object.__setattr__(self, "groups", groups)
        has_group = np.flatnonzero(groups != MISSING).astype(np.int32)
        variants = has_group[np.argsort(groups[has_group], kind="stable")]
        object.__setattr__(self, "variants", variants)
        starts = np.searchsorted(groups[variants], np.arange(len(catalogue.groups) + 1))
        object.__setattr__(self, "variant_starts", starts.astype(np.int64))
        unnamed = np.flatnonzero(catalogue.sensitive).astype(np.int32)
        object.__setattr__(self, "unnamed", unnamed)

    @classmethod
    def learnt(cls, catalogue: Catalogue) -> Self:
        """The products of a model, and nothing else."""
        return cls(catalogue, len(catalogue))

    def __len__(self) -> int:
        return len(self.catalogue)

    @property
    def n_newcomers(self) -> int:
        """How many products the model has not learnt."""
        return len(self.catalogue) - self.n_learnt

    def with_products(self, products: Sequence[Product]) -> Self:
        """The assortment after products, whole and each id once, were added or replaced."""
        catalogue = self.catalogue.with_products(products)
        described = {**self.described, **{product.product_id: product for product in products}}
        known = replace(self, catalogue=catalogue, described=described)
        if not known.n_newcomers:
            return known
        items = catalogue.items.indices(product.product_id for product in products)
        content, changed = self.content, items[items >= self.n_learnt]
        if content is None or self._is_reworded(catalogue, items[items < self.n_learnt]):
            content = Content.of(catalogue, self.n_learnt)
            changed = np.arange(self.n_learnt, len(catalogue), dtype=np.int32)
        near = self._near(known, content, changed)
        return replace(known, near=near, content=content)

    def _is_reworded(self, catalogue: Catalogue, items: NDArray[np.int32]) -> bool:
        """Whether learnt products are called, or sorted, otherwise than before."""
        before = [self.catalogue.product(item) for item in items.tolist()]
        after = [catalogue.product(item) for item in items.tolist()]
        return any(
            (one.title, one.category_path, one.brand)
            != (other.title, other.category_path, other.brand)
            for one, other in zip(before, after, strict=True)
        )

    def _near(self, known: Self, content: Content, items: NDArray[np.int32]) -> SparseRows:
        """What newcomers are like: found anew for ``items``, and as before for the others."""
        found = content.nearest([known.product(item) for item in items.tolist()])
        rows = [self.near.row(newcomer) for newcomer in range(len(self.near))]
        rows += [NO_ROW] * (known.n_newcomers - len(rows))
        for at, item in enumerate(items.tolist()):
            rows[item - self.n_learnt] = found.row(at)
        return SparseRows.from_rows(rows)

    def one_of_each_group(self, items: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Bool, of the shape of ``items``: the first of each group, and what has none."""
        if not len(self.groups):
            return np.ones(len(items), np.bool_)
        groups = self.groups[items]
        _, first = np.unique(groups, return_index=True)
        is_first = np.zeros(len(items), np.bool_)
        is_first[first] = True
        is_first[groups == MISSING] = True
        return is_first

    def with_variants(self, items: NDArray[np.int32]) -> NDArray[np.int32]:
        """``items``, and all that share a group with one of them."""
        if not len(self.groups) or not len(items):
            return items
        groups = np.unique(self.groups[items])
        spans = (self.variant_starts[group : group + 2] for group in groups[groups != MISSING])
        return distinct([items, *(self.variants[start:end] for start, end in spans)])

    def product(self, item: int) -> Product:
        """Everything that is known of one product."""
        described = self.described.get(self.catalogue.items.ids[item]) if self.described else None
        return self.catalogue.product(item) if described is None else described

    def available(self, now: float) -> NDArray[np.bool_]:
        """Bool, shape ``(n_items,)``: what may be sold at ``now``, seconds since 1970."""
        available = np.ones(len(self.catalogue), np.bool_)
        if not len(self.bounded):
            return available
        begins = self.catalogue.available_from[self.bounded]
        ends = self.catalogue.available_to[self.bounded]
        available[self.bounded] = (begins <= now) & (now < ends)
        return available

    def unchanged_until(self, now: float) -> float:
        """When the next product begins or ceases to be available, infinity if none does."""
        at = int(np.searchsorted(self.turns, now, side="right"))
        return float(self.turns[at]) if at < len(self.turns) else float("inf")


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is there at one store, and what it costs there, by item index.

    Attributes:
        in_stock: bool, shape ``(n_items,)``.
        price: float64, likewise: the price there.
        currency: int32, likewise: its currency.
        currencies: the distinct names: the catalogue's, and what else the store has.
    """

    in_stock: NDArray[np.bool_]
    price: NDArray[np.float64]
    currency: NDArray[np.int32]
    currencies: Vocabulary
