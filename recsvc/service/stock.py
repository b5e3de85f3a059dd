"""What is there at each store, read when somebody asks for it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment, Shelf
from recsvc.core.catalogue import Catalogue
from recsvc.core.vocabulary import MISSING, Vocabulary
from recsvc.errors import StoreUnavailableError
from recsvc.service.live_catalogue import Followed, has_seen
from recsvc.service.ports import CatalogueStore
from recsvc.service.selling import StockRecord

MAX_STORES = 256
"""Stores whose stock a process remembers; the one that was not asked for longest leaves first."""

FRESH_SECONDS = 0.25
"""What was read so lately is not read again, unless a token asks for it."""


@dataclass(frozen=True, slots=True)
class Stocked:
    """The stock of a store, for one question.

    Attributes:
        shelf: what is there, None where nobody has said or it cannot be read.
        revision: of it.
        failed: whether it could not be read, so that it is outdated, or None.
    """

    shelf: Shelf | None = None
    revision: int = 0
    failed: bool = False


NOT_ASKED = Stocked()
"""The stock for a question that does not depend on any."""


@dataclass(slots=True)
class _Store:
    """What a process knows of the stock of one store, in the terms of one vocabulary.

    Attributes:
        table: the records.
        read_at: when they were read last, or that was tried, monotonic seconds.
        failed: whether it was in vain.
        items: the vocabulary that the arrays are of.
        in_stock: bool, by item.
        price: float64, NaN where the store has none of its own.
        currency: int32, indices into ``currencies``.
        currencies: distinct names.
        shelf: the last one that was made, and of which assortment.
    """

    table: Followed[StockRecord] = field(default_factory=Followed)
    read_at: float = -np.inf
    failed: bool = False
    items: Vocabulary | None = None
    in_stock: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    price: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    currency: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    currencies: list[str] = field(default_factory=list)
    shelf: tuple[Assortment, Shelf] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, records: Mapping[str, StockRecord]) -> None:
        """Put records into the arrays."""
        self.shelf = None
        if self.items is None:
            return
        for product_id, record in records.items():
            item = self.items.index(product_id)
            if item == MISSING:
                continue
            self.in_stock[item] = bool(record.is_in_stock)
            self.price[item] = np.nan if record.price is None else record.price
            if record.currency not in self.currencies:
                self.currencies.append(record.currency)
            self.currency[item] = self.currencies.index(record.currency)

    def on(self, assortment: Assortment) -> Shelf:
        """The stock in the terms of an assortment."""
        if self.shelf is not None and self.shelf[0] is assortment:
            return self.shelf[1]
        catalogue = assortment.catalogue
        if self.items is not catalogue.items:
            n = len(catalogue)
            self.items = catalogue.items
            self.in_stock = np.zeros(n, np.bool_)
            self.price = np.full(n, np.nan)
            self.currency = np.zeros(n, np.int32)
            self.write(self.table.rows)
        shelf = self._priced(catalogue)
        self.shelf = assortment, shelf
        return shelf

    def _priced(self, catalogue: Catalogue) -> Shelf:
        """The store's own prices, else the catalogue's."""
        own = ~np.isnan(self.price)
        known = catalogue.currencies
        unknown = [c for c in self.currencies if c and known.index(c) == MISSING]
        names = known.with_added(unknown) if unknown else known
        codes = np.array([names.index(c) for c in self.currencies], np.int32)
        currency = catalogue.currency.copy()
        currency[own] = codes[self.currency[own]] if len(codes) else MISSING
        price = np.where(own, self.price, catalogue.price)
        # A copy: what is written next is of the next shelf.
        return Shelf(self.in_stock.copy(), price, currency, names)


class Stock:
    """Sets and reads stock; safe to share between threads.

    Args:
        store: where writes go.
        reads: the same for who cannot wait long.
        timeout_seconds: longest wait for it; with less time left it is not asked.
        monotonic: monotonic seconds, those of every ``deadline``.
    """

    def __init__(
        self,
        store: CatalogueStore,
        reads: CatalogueStore,
        *,
        timeout_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._reads = reads
        self._timeout_seconds = timeout_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._stores: OrderedDict[str, _Store] = OrderedDict()

    def put(self, store_id: str, records: Sequence[StockRecord]) -> tuple[list[bool], int]:
        """Write stock of one store; say whether each is kept, and when it was, for a token.

        Raises:
            StoreUnavailableError: it cannot be written; some may be, and repeating it is safe.
        """
        return self._store.put_stock(store_id, records)

    def get(self, store_id: str, product_ids: Sequence[str]) -> list[StockRecord | None]:
        """Read stock of one store, None where nobody has said.

        Raises:
            StoreUnavailableError: it cannot be read.
        """
        return self._store.stock(store_id, product_ids)

    def at(
        self, store_id: str, assortment: Assortment, deadline: float, must_see: int = 0
    ) -> Stocked:
        """What is there at a store now.

        Args:
            store_id: which; ``""`` is the central stock.
            assortment: whose items are asked for.
            deadline: monotonic seconds when the caller stops waiting.
            must_see: moment of a write that must be known, unix milliseconds of the store.
        """
        known = self._known(store_id)
        with known.lock:
            self._read_on(known, store_id, deadline, must_see)
            shelf = known.on(assortment) if known.table.rows else None
            return Stocked(shelf, known.table.revision, known.failed)

    def _known(self, store_id: str) -> _Store:
        with self._lock:
            known = self._stores.setdefault(store_id, _Store())
            self._stores.move_to_end(store_id)
            if len(self._stores) > MAX_STORES:
                self._stores.popitem(last=False)
            return known

    def _read_on(self, known: _Store, store_id: str, deadline: float, must_see: int) -> None:
        is_fresh = self._monotonic() - known.read_at < FRESH_SECONDS
        if is_fresh and (not must_see or has_seen(known.table.as_of, must_see)):
            return
        known.failed = True
        if deadline - self._monotonic() <= self._timeout_seconds:
            return
        known.read_at = self._monotonic()
        with suppress(StoreUnavailableError):  # what is known is given, and that it is outdated
            known.table.read_on(
                lambda revision: self._reads.stock_since(store_id, revision, deadline)
            )
            known.failed = False
        for changes in known.table.take():
            if changes.is_whole:
                known.items = None
            known.write(changes.rows)
