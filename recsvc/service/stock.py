"""What is there at each store, read when somebody asks for it."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from weakref import ReferenceType, ref

import numpy as np

from recsvc.core.assortment import Assortment, Shelf
from recsvc.core.catalogue import Catalogue
from recsvc.core.vocabulary import MISSING
from recsvc.service.live_catalogue import Followed, has_seen
from recsvc.service.ports import CatalogueStore
from recsvc.service.selling import StockRecord

MAX_STORES, MAX_BYTES = 4_096, 500_000_000
"""Stores, and bytes of all of them together, that a process remembers; the stores that were not
asked for longest leave first."""

RECORD_BYTES, ITEM_BYTES = 300, 26
"""What a record takes, and an item of the assortment, at each store."""

FRESH_SECONDS = 0.25
"""What was read so lately is not read again, unless a token asks for it."""

READ_SECONDS = 30.0
"""Longest wait for all of a store's stock; nobody waits for it but the thread that reads."""

N_READERS = 2
"""Threads that read, so that a call never waits longer than it can."""


@dataclass(frozen=True, slots=True)
class Stocked:
    """The stock of a store, for one question.

    Attributes:
        shelf: what is there, None where nobody has said or it cannot be read.
        revision: of it.
        failed: whether it could not be read in time, so that it is outdated, or None.
        late: whether there was no time, rather than no store.
    """

    shelf: Shelf | None = None
    revision: int = 0
    failed: bool = False
    late: bool = False


NOT_ASKED = Stocked()
"""The stock for a question that does not depend on any."""


@dataclass(slots=True)
class _Store:
    """What a process knows of the stock of one store; one thread at a time writes it.

    Attributes:
        table: the records.
        read_at: when the last reading began that ended well, monotonic seconds.
        failed_at: when the last one ended that did not.
        reading: the one that is under way, or was the last.
        began_at: when it was asked for.
        n_begun: how many readings have begun.
        read: the number of the last that ended well.
        arrays: the records by item, in the terms of one assortment and what it grows into.
        shelf: the last one that was made, of which assortment and which rows.
    """

    table: Followed[StockRecord] = field(default_factory=Followed)
    read_at: float = -np.inf
    failed_at: float = -np.inf
    reading: Future[None] | None = None
    began_at: float = -np.inf
    n_begun: int = 0
    read: int = 0
    arrays: "_Arrays | None" = None
    shelf: tuple[ReferenceType[Assortment], Mapping[str, StockRecord], Shelf] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def n_bytes(self) -> int:
        """What is remembered, about."""
        n_items = 0 if self.shelf is None else len(self.shelf[2].in_stock)
        return RECORD_BYTES * len(self.table.rows) + ITEM_BYTES * n_items

    def on(self, assortment: Assortment, wait_seconds: float) -> Shelf | None:
        """The stock in the terms of an assortment; None where nobody has said, or with no time."""
        rows = self.table.rows
        if not rows:
            return None
        known = self.shelf
        if known is not None and known[0]() is assortment and known[1] is rows:
            return known[2]
        if not self.lock.acquire(timeout=wait_seconds):
            return None
        try:
            if self.arrays is None or not self.arrays.is_of(assortment):
                self.arrays = _Arrays(assortment)
            self.arrays.bring_up_to(assortment, rows)
            shelf = self.arrays.priced(assortment.catalogue)
            self.shelf = ref(assortment), rows, shelf
            return shelf
        finally:
            self.lock.release()


class _Arrays:
    """Stock by item index.

    Args:
        assortment: whose items these are; what it grows into goes on with them.
    """

    def __init__(self, assortment: Assortment) -> None:
        self._lineage = assortment.lineage
        self._rows: Mapping[str, StockRecord] = {}
        self._in_stock = np.zeros(0, np.bool_)
        self._price = np.zeros(0)
        self._currency = np.zeros(0, np.int32)
        self._currencies: list[str] = []

    def is_of(self, assortment: Assortment) -> bool:
        """Whether the items of an assortment have the indices of these arrays."""
        return assortment.lineage is self._lineage and len(assortment) >= len(self._in_stock)

    def bring_up_to(self, assortment: Assortment, rows: Mapping[str, StockRecord]) -> None:
        """Write what has changed, and what is said of items that are new."""
        items, before = assortment.catalogue.items, len(self._in_stock)
        n_more = len(assortment) - before
        self._in_stock = np.append(self._in_stock, np.zeros(n_more, np.bool_))
        self._price = np.append(self._price, np.full(n_more, np.nan))
        self._currency = np.append(self._currency, np.zeros(n_more, np.int32))
        if rows is not self._rows:
            known = self._rows
            for name in known.keys() - rows.keys():  # the table was emptied meanwhile
                self._write(items.index(name), None)
            for name, record in rows.items():
                if known.get(name) is not record:
                    self._write(items.index(name), record)
            self._rows = rows
        if before:  # what was said before its product was
            for item in range(before, len(assortment)):
                self._write(item, rows.get(items.ids[item]))

    def _write(self, item: int, record: StockRecord | None) -> None:
        if item == MISSING:
            return
        price = None if record is None else record.price
        currency = "" if record is None else record.currency
        self._in_stock[item] = record is not None and bool(record.is_in_stock)
        self._price[item] = np.nan if price is None else price
        if currency not in self._currencies:
            self._currencies.append(currency)
        self._currency[item] = self._currencies.index(currency)

    def priced(self, catalogue: Catalogue) -> Shelf:
        """The store's own prices, else the catalogue's."""
        own = ~np.isnan(self._price)
        known = catalogue.currencies
        unknown = [c for c in self._currencies if c and known.index(c) == MISSING]
        names = known.with_added(unknown) if unknown else known
        codes = np.array([names.index(c) for c in self._currencies], np.int32)
        currency = catalogue.currency.copy()
        currency[own] = codes[self._currency[own]] if len(codes) else MISSING
        price = np.where(own, self._price, catalogue.price)
        # A copy: what is written next is of the next shelf.
        return Shelf(self._in_stock.copy(), price, currency, names)


class Stock:
    """Sets and reads stock; safe to share between threads.

    Args:
        store: where it is kept.
        reads: the same for who cannot wait long.
        timeout_seconds: longest wait for a reading; with less time left nobody waits.
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
        self._readers = ThreadPoolExecutor(N_READERS, "stock-reader")
        self._is_closed = False

    def put(self, store_id: str, records: Sequence[StockRecord]) -> tuple[list[bool], int]:
        """Write stock of one store; say whether each is kept, and when it was, for a token.

        Raises:
            StoreUnavailableError: it cannot be written; some may be, and repeating it is safe.
        """
        return self._store.put_stock(store_id, records)

    def get(
        self, store_id: str, product_ids: Sequence[str], deadline: float = math.inf
    ) -> list[StockRecord | None]:
        """Read stock of one store, None where nobody has said.

        Args:
            store_id: which.
            product_ids: of what.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            StoreUnavailableError: it cannot be read.
        """
        # Whoever reads a few records is a page or an agent: a store that stalls must not hold
        # them for as long as a write may take.
        return self._reads.stock(store_id, product_ids, deadline)

    def at(
        self, store_id: str, assortment: Assortment, deadline: float, must_see: int = 0
    ) -> Stocked:
        """What is there at a store now.

        A thread of its own reads it. Who cannot wait for that is given what is known.

        Args:
            store_id: which; ``""`` is the central stock.
            assortment: whose items are asked for.
            deadline: monotonic seconds when the caller stops waiting.
            must_see: moment of a write that must be known, unix milliseconds of the store.
        """
        asked_at = self._monotonic()
        known = self._known(store_id)
        n_begun = known.n_begun
        is_fresh = self._is_fresh(known, asked_at, must_see)
        # What was tried in vain a moment ago is not waited for again.
        is_hopeless = asked_at - known.failed_at < FRESH_SECONDS and not must_see
        # Nor is one that others have waited for in vain.
        if known.reading is not None and not known.reading.done():
            is_hopeless |= asked_at - known.began_at > self._timeout_seconds
        has_time = deadline - asked_at > self._timeout_seconds
        if not is_fresh and has_time and not is_hopeless:
            end = min(asked_at + self._timeout_seconds, deadline)
            # A reading that began before the write may have missed it: then comes another.
            while not is_fresh and (left := end - self._monotonic()) > 0:
                reading = self._reading(known, store_id)
                if reading is None:
                    break
                wait([reading], left)
                # What has begun since must have seen what was written before.
                is_fresh = known.read > n_begun or self._is_fresh(known, asked_at, must_see)
                if not reading.done() or reading.cancelled() or reading.exception() is not None:
                    break
        # First the revision: a list under an older one may be of newer records, not the reverse.
        revision = known.table.revision
        shelf = known.on(assortment, self._timeout_seconds)
        failed = not is_fresh or (shelf is None and bool(known.table.rows))
        late = failed and known.failed_at <= known.read_at
        return Stocked(shelf, revision, failed=failed, late=late)

    def close(self) -> None:
        """End the reading."""
        with self._lock:
            self._is_closed = True
        self._readers.shutdown(wait=False, cancel_futures=True)

    def _is_fresh(self, known: _Store, asked_at: float, must_see: int) -> bool:
        is_late = asked_at - known.read_at >= FRESH_SECONDS
        return not is_late and (not must_see or has_seen(known.table.as_of, must_see))

    def _known(self, store_id: str) -> _Store:
        with self._lock:
            known = self._stores.setdefault(store_id, _Store())
            self._stores.move_to_end(store_id)
            if len(self._stores) > MAX_STORES:
                self._stores.popitem(last=False)
            return known

    def _reading(self, known: _Store, store_id: str) -> Future[None] | None:
        """The reading that is under way, else a new one; None after ``close``."""
        with self._lock:
            if self._is_closed:
                return None
            if known.reading is None or known.reading.done():
                known.n_begun += 1
                known.began_at = self._monotonic()
                known.reading = self._readers.submit(self._read, known, store_id, known.n_begun)
            return known.reading

    def _read(self, known: _Store, store_id: str, number: int) -> None:
        began = self._monotonic()
        deadline = time.monotonic() + READ_SECONDS
        is_read = False
        try:
            known.table.read_on(lambda known: self._store.stock_since(store_id, known, deadline))
            is_read = True
        finally:
            known.table.unseen = []  # the arrays are made from the rows
            if not is_read:
                known.failed_at = self._monotonic()
        known.read_at, known.read = began, number
        self._forget()

    def _forget(self) -> None:
        """Let go of the stores that were not asked for longest, where there is too much."""
        with self._lock:
            left = sum(store.n_bytes for store in self._stores.values()) - MAX_BYTES
            for name in [*self._stores][:-1]:
                if left <= 0:
                    return
                left -= self._stores.pop(name).n_bytes
