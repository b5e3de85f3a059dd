"""Reading the catalogue: products and stores as they are now, recalls included."""

import math
import time
from collections.abc import Container, Iterator
from dataclasses import dataclass

import numpy as np

from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.places import PLACE_LEVELS, Level, Place, Places
from recsvc.core.vocabulary import MISSING
from recsvc.errors import InvalidRequestError, NotFoundError, StoreUnavailableError
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.selling import NOTHING, Shop, Written
from recsvc.service.standing import Standing

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000

WAIT_SECONDS = 1.0
"""Longest wait for what a token stands for."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One product of the catalogue.

    Attributes:
        product: what is known of it.
        is_withdrawn: whether the recall switch holds it.
    """

    product: Product
    is_withdrawn: bool


@dataclass(frozen=True, slots=True)
class ProductPage:
    """Products by id, and the id after which the next page begins; ``""`` on the last one."""

    products: tuple[Listed, ...]
    last_id: str


@dataclass(frozen=True, slots=True)
class StorePage:
    """Stores by id, likewise."""

    stores: tuple[Shop, ...]
    last_id: str


class Catalogue:
    """The use cases of whoever looks at the catalogue.

    Args:
        slot: the current model.
        standing: what was withdrawn.
        live: what was said of products and stores since the model learnt.
    """

    def __init__(self, slot: ModelSlot, standing: Standing, live: LiveCatalogue) -> None:
        self._slot = slot
        self._standing = standing
        self._live = live

    @property
    def generation(self) -> int:
        """The registry's generation that answers; pages of another one do not go on.

        Raises:
            UnavailableError: no model is loaded yet (WARMING_UP).
        """
        return self._slot.current().generation

    @property
    def withdrawn(self) -> Container[str]:
        """What the recall switch holds."""
        return self._standing.withdrawn

    def product(
        self, product_id: str, must_see: Written = NOTHING, deadline: float = math.inf
    ) -> Listed:
        """Describe one product.

        Args:
            product_id: which.
            must_see: what must be known.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            NotFoundError: the catalogue does not have it (PRODUCT_NOT_FOUND).
            UnavailableError: no model is loaded yet (WARMING_UP).
            StoreUnavailableError: what the token stands for is not to be seen here.
        """
        assortment = self._now(must_see, deadline).assortment
        item = assortment.catalogue.items.index(product_id)
        if item == MISSING:
            raise NotFoundError(
                f"product_id: {product_id[:80]!r} is not in the catalogue",
                reason="PRODUCT_NOT_FOUND",
                metadata={"product_id": product_id[:80]},
            )
        return Listed(assortment.product(item), product_id in self._standing.withdrawn)

    def products(
        self,
        page_size: int,
        *,
        after: str = "",
        category_path: str = "",
        withdrawn_only: bool = False,
        must_see: Written = NOTHING,
        deadline: float = math.inf,
    ) -> ProductPage:
        """List products by id.

        Args:
            page_size: how many; 0 is the default, above the maximum is lowered to it.
            after: id after which the page begins.
            category_path: of the category that they are in or below; ``""`` is any.
            withdrawn_only: what the recall switch holds, known to the catalogue or not.
            must_see: what must be known.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            InvalidRequestError: the page size is negative.
            UnavailableError: no model is loaded yet (WARMING_UP).
            StoreUnavailableError: what the token stands for is not to be seen here.
        """
        size = _size(page_size)
        loaded = self._now(must_see, deadline)
        withdrawn = self._standing.withdrawn
        if withdrawn_only:
            names = iter(sorted(name for name in withdrawn if name > after))
        else:
            names = _ids(loaded, category_path, after)
        found = []
        for name in names:
            found.append(self._listed(loaded, name))
            if len(found) > size:
                break
        page = tuple(found[:size])
        last = page[-1].product.product_id if len(found) > size else ""
        return ProductPage(page, last)

    def stores(
        self,
        page_size: int,
        *,
        after: str = "",
        country_code: str = "",
        must_see: Written = NOTHING,
        deadline: float = math.inf,
    ) -> StorePage:
        """List stores by id, of one country or of all; arguments and errors are as above."""
        size = _size(page_size)
        places = self._now(must_see, deadline).model.places
        learnt = enumerate(places.levels[Level.STORE].keys.ids)
        shops = {store_id: _shop(places, store) for store, store_id in learnt}
        shops |= self._live.shops
        found = [
            shop
            for store_id, shop in sorted(shops.items())
            if store_id > after and country_code in ("", shop.location.country_code)
        ]
        page = tuple(found[:size])
        last = page[-1].location.store_id if len(found) > size else ""
        return StorePage(page, last)

    def _now(self, must_see: Written, deadline: float) -> LoadedModel:
        """The model, with all that must be known."""
        loaded = self._slot.current()
        until = min(time.monotonic() + WAIT_SECONDS, deadline)
        sees = self._live.sees(must_see.catalogue, until)
        if not (sees and self._standing.sees(must_see.ledger)):
            raise StoreUnavailableError("what the token stands for is not to be seen here yet")
        return self._live.dressed(loaded)

    def _listed(self, loaded: LoadedModel, product_id: str) -> Listed:
        item = loaded.assortment.catalogue.items.index(product_id)
        is_withdrawn = product_id in self._standing.withdrawn
        if item == MISSING:  # withdrawn before the catalogue knew of it
            return Listed(Product(product_id=product_id), is_withdrawn)
        return Listed(loaded.assortment.product(item), is_withdrawn)


def _ids(loaded: LoadedModel, category_path: str, after: str) -> Iterator[str]:
    """Ids of the catalogue after one, in their order, of one category or of all."""
    ids = loaded.assortment.catalogue.items.ids
    items = np.arange(len(ids))
    if category_path:
        wanted = CatalogueFilter(category_paths=(category_path,))
        items = np.flatnonzero(loaded.assortment.index.matching(wanted))
    names = sorted(name for name in ids.take(items.tolist()) if name > after)
    return iter(names)


def _shop(places: Places, store: int) -> Shop:
    parents = places.store_parents[store]
    keys = Place(tuple(int(parents[level]) for level in PLACE_LEVELS))
    return Shop(places.store_names[store], places.describe(keys))


def _size(page_size: int) -> int:
    if page_size < 0:
        raise InvalidRequestError(
            "page_size", f"{page_size} is negative; give 1 to {MAX_PAGE_SIZE}, or 0 for the default"
        )
    return min(page_size, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE
