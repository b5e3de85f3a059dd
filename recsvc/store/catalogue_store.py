"""What the shop has said of products, stores and stock, in tables."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from recsvc.core.catalogue import Product
from recsvc.errors import StoreUnavailableError
from recsvc.service.selling import Changes, Shop, StockRecord
from recsvc.store.catalogue_format import (
    product_bytes,
    read_product,
    read_shop,
    read_stock,
    shop_bytes,
    stock_bytes,
)
from recsvc.store.tables import Kept, Row, Tables

_T = TypeVar("_T")

PRODUCTS = "products"
STORES = "stores"


class TableCatalogueStore:
    """A ``CatalogueStore``: a table of products, one of stores, and one of stock for each store.

    Args:
        tables: where they are kept.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put_products(self, products: Sequence[Product]) -> int:
        """Add products, or replace them whole."""
        rows = [Row(product.product_id, product_bytes(product)) for product in products]
        return self._tables.put(PRODUCTS, rows)[1]

    def put_stores(self, shops: Sequence[Shop]) -> int:
        """Add stores, or replace them whole."""
        rows = [Row(shop.location.store_id, shop_bytes(shop)) for shop in shops]
        return self._tables.put(STORES, rows)[1]

    def put_stock(self, store_id: str, records: Sequence[StockRecord]) -> tuple[list[bool], int]:
        """Write stock of one store."""
        rows = [Row(r.product_id, *stock_bytes(r), r.effective) for r in records]
        return self._tables.put(_stock(store_id), rows)

    def stock(
        self, store_id: str, product_ids: Sequence[str], deadline: float = math.inf
    ) -> list[StockRecord | None]:
        """Read stock of one store."""
        found = self._tables.get(_stock(store_id), product_ids, deadline)
        return [
            None if kept is None else _read(_stock_of, name, kept)
            for name, kept in zip(product_ids, found, strict=True)
        ]

    def products_since(self, known: int, deadline: float) -> Changes[Product]:
        """Read products that were written since a revision."""
        return _changes(self._tables.changes(PRODUCTS, known, deadline), _product_of)

    def stores_since(self, known: int, deadline: float) -> Changes[Shop]:
        """Read stores that were written since a revision."""
        return _changes(self._tables.changes(STORES, known, deadline), _shop_of)

    def stock_since(self, store_id: str, known: int, deadline: float) -> Changes[StockRecord]:
        """Read stock of one store that was written since a revision."""
        return _changes(self._tables.changes(_stock(store_id), known, deadline), _stock_of)


def _stock(store_id: str) -> str:
    return f"stock:{store_id}"


def _product_of(name: str, kept: Kept) -> Product:
    return read_product(name, kept.shown)


def _shop_of(name: str, kept: Kept) -> Shop:
    return read_shop(name, kept.shown)


def _stock_of(name: str, kept: Kept) -> StockRecord:
    return read_stock(name, kept.shown, kept.hidden, kept.stamp)


def _changes(changes: Changes[Kept], read: Callable[[str, Kept], _T]) -> Changes[_T]:
    rows, damaged = {}, []
    for name, kept in changes.rows.items():
        try:
            rows[name] = read(name, kept)
        except ValueError:  # the others must not wait for it
            damaged.append(name)
    return Changes(changes.revision, changes.as_of, rows, changes.is_whole, tuple(damaged))


def _read(read: Callable[[str, Kept], _T], name: str, kept: Kept) -> _T:
    try:
        return read(name, kept)
    except ValueError as error:
        raise StoreUnavailableError(
            f"what is kept of {name[:80]!r} is damaged ({error}); send it again"
        ) from error
