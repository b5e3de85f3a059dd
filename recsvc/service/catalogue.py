"""Reading the catalogue: products and stores as the current model knows them, recalls included."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.places import PLACE_LEVELS, Level, Location, Place, Places
from recsvc.core.vocabulary import MISSING
from recsvc.errors import InvalidRequestError, NotFoundError, StoreUnavailableError
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.standing import Standing

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000


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
class Shop:
    """One store: its id, its name (``""`` unknown) and where it is."""

    name: str
    location: Location


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
    """

    def __init__(self, slot: ModelSlot, standing: Standing) -> None:
        self._slot = slot
        self._standing = standing

    @property
    def generation(self) -> int:
        """The registry's generation that answers; pages of another one do not go on.

        Raises:
            UnavailableError: no model is loaded yet (WARMING_UP).
        """
        return self._slot.current().generation

    def product(self, product_id: str, must_see: int = 0) -> Listed:
        """Describe one product.

        Raises:
            NotFoundError: the catalogue does not have it (PRODUCT_NOT_FOUND).
            UnavailableError: no model is loaded yet (WARMING_UP).
            StoreUnavailableError: what the token stands for is not to be seen here.
        """
        self._see(must_see)
        catalogue = self._slot.current().model.catalogue
        item = catalogue.items.index(product_id)
        if item == MISSING:
            raise NotFoundError(
                f"product_id: {product_id[:80]!r} is not in the catalogue",
                reason="PRODUCT_NOT_FOUND",
                metadata={"product_id": product_id[:80]},
            )
        return Listed(catalogue.product(item), product_id in self._standing.withdrawn)

    def products(
        self,
        page_size: int,
        *,
        after: str = "",
        category_path: str = "",
        withdrawn_only: bool = False,
        must_see: int = 0,
    ) -> ProductPage:
        """List products by id.

        Args:
            page_size: how many; 0 is the default, above the maximum is lowered to it.
            after: id after which the page begins.
            category_path: of the category that they are in or below; ``""`` is any.
            withdrawn_only: what the recall switch holds, known to the catalogue or not.
            must_see: position of the ledger that must be known.

        Raises:
            InvalidRequestError: the page size is negative.
            UnavailableError: no model is loaded yet (WARMING_UP).
            StoreUnavailableError: what the token stands for is not to be seen here.
        """
        size = _size(page_size)
        self._see(must_see)
        loaded = self._slot.current()
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
        self, page_size: int, *, after: str = "", country_code: str = "", must_see: int = 0
    ) -> StorePage:
        """List stores by id, of one country or of all; arguments and errors are as above."""
        size = _size(page_size)
        self._see(must_see)
        loaded = self._slot.current()
        places = loaded.model.places
        found = []
        for store, store_id in enumerate(places.levels[Level.STORE].keys.ids):
            shop = _shop(places, store)
            if store_id <= after or (country_code and shop.location.country_code != country_code):
                continue
            found.append(shop)
        found.sort(key=lambda shop: shop.location.store_id)
        page = tuple(found[:size])
        last = page[-1].location.store_id if len(found) > size else ""
        return StorePage(page, last)

    def _see(self, must_see: int) -> None:
        if not self._standing.sees(must_see):
            raise StoreUnavailableError("what the token stands for is not to be seen here yet")

    def _listed(self, loaded: LoadedModel, product_id: str) -> Listed:
        catalogue = loaded.model.catalogue
        item = catalogue.items.index(product_id)
        is_withdrawn = product_id in self._standing.withdrawn
        if item == MISSING:  # withdrawn before the catalogue knew of it
            return Listed(Product.unknown(product_id), is_withdrawn)
        return Listed(catalogue.product(item), is_withdrawn)


def _ids(loaded: LoadedModel, category_path: str, after: str) -> Iterator[str]:
    """Ids of the catalogue after one, in their order, of one category or of all."""
    ids = loaded.model.catalogue.items.ids
    items = np.arange(len(ids))
    if category_path:
        wanted = CatalogueFilter(category_paths=(category_path,))
        items = np.flatnonzero(loaded.catalogue_index.matching(wanted))
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
