"""What is sold now: what the model has learnt, what has changed of it since, and what is new."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Catalogue, Product
from recsvc.core.catalogue_index import CatalogueIndex
from recsvc.core.content import Content
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import Vocabulary

NONE_NEAR = SparseRows(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True)
class Assortment:
    """The products of a moment; immutable, and shared by all threads.

    Attributes:
        catalogue: first the products that the model has learnt, by its item index, then the
            newcomers, in the order in which they came.
        n_learnt: how many of them the model has learnt.
        near: newcomers by learnt products: how alike they are.
        described: by id what was said of a product since, whole; the catalogue's arrays hold
            only what lists are made from.
        index: names of the catalogue as callers may write them.
        turns: int64, ascending: when a product's availability begins or ends, seconds since 1970.
    """

    catalogue: Catalogue
    n_learnt: int
    near: SparseRows = NONE_NEAR
    described: Mapping[str, Product] = field(default_factory=dict)
    index: CatalogueIndex = field(init=False)
    turns: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", CatalogueIndex.of(self.catalogue))
        turns = np.unique([self.catalogue.available_from, self.catalogue.available_to])
        turns = turns[(turns != ALWAYS_FROM) & (turns != ALWAYS_TO)]
        object.__setattr__(self, "turns", turns)

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

    def with_products(self, products: Sequence[Product], content: Callable[[], Content]) -> Self:
        """The assortment after products were added or replaced.

        Args:
            products: whole, each id once.
            content: of the learnt products; it is asked for where there is a newcomer.
        """
        catalogue = self.catalogue.with_products(products)
        described = {**self.described, **{product.product_id: product for product in products}}
        return replace(
            self,
            catalogue=catalogue,
            described=described,
            near=self._near(catalogue, products, content),
        )

    def _near(
        self, catalogue: Catalogue, products: Sequence[Product], content: Callable[[], Content]
    ) -> SparseRows:
        """What newcomers are like: of those that were said anew, anew."""
        items = [catalogue.items.index(product.product_id) for product in products]
        said = [
            (item - self.n_learnt, product)
            for item, product in zip(items, products, strict=True)
            if item >= self.n_learnt
        ]
        if not said:
            return self.near
        found = content().nearest([product for _, product in said])
        rows = [self.near.row(newcomer) for newcomer in range(len(self.near))]
        rows += [found.row(0)] * (len(catalogue) - self.n_learnt - len(rows))
        for at, (newcomer, _) in enumerate(said):
            rows[newcomer] = found.row(at)
        return SparseRows.from_rows(rows)

    def product(self, item: int) -> Product:
        """Everything that is known of one product."""
        described = self.described.get(self.catalogue.items.ids[item]) if self.described else None
        return self.catalogue.product(item) if described is None else described

    def available(self, now: float) -> NDArray[np.bool_]:
        """Bool, shape ``(n_items,)``: what may be sold at ``now``, seconds since 1970."""
        if not len(self.turns):
            return np.ones(len(self.catalogue), np.bool_)
        return self.catalogue.available(now)

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
