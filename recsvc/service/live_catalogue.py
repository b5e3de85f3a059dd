"""Products and stores as the shop describes them between trainings, in every process."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from recsvc.core.catalogue import Product
from recsvc.core.content import Content
from recsvc.core.places import Places
from recsvc.errors import StoreUnavailableError
from recsvc.service.models import LoadedModel
from recsvc.service.poller import Poller
from recsvc.service.ports import CatalogueStore
from recsvc.service.selling import Changes, Shop
from recsvc.telemetry import Logger

READ_SECONDS = 30.0
"""Longest wait for a whole catalogue; nobody waits for it but the thread that reads."""

SKEW_MS = 1_000
"""The nodes of a cluster may disagree so much about the time."""

_Row = TypeVar("_Row")


def has_seen(as_of: int, written_at: int) -> bool:
    """Whether who has read as of a moment has seen what was written at another, by any clock."""
    return as_of > written_at + SKEW_MS


@dataclass(slots=True)
class Followed(Generic[_Row]):
    """What is known of one table.

    Attributes:
        rows: by id, in the order in which they were first written.
        revision: of the table.
        as_of: every write before it is known, unix milliseconds of the store.
        unseen: what has been read, and not taken yet.
    """

    rows: dict[str, _Row] = field(default_factory=dict)
    revision: int = 0
    as_of: int = 0
    unseen: list[Changes[_Row]] = field(default_factory=list)

    def read_on(self, read: Callable[[int], Changes[_Row]]) -> None:
        """Read until nothing is left; what was read before an error is not read again."""
        while True:
            changes = read(self.revision)
            if changes.rows or changes.is_whole or changes.revision != self.revision:
                self.unseen.append(changes)
            self.rows = {} if changes.is_whole else self.rows
            self.rows |= changes.rows
            self.revision, self.as_of = changes.revision, changes.as_of
            if changes.as_of:
                return

    def take(self) -> list[Changes[_Row]]:
        """What changed since this was asked last."""
        taken, self.unseen = self.unseen, []
        return taken


@dataclass(slots=True)
class _Dressed:
    """A model with the catalogue of the moment.

    Attributes:
        base: the model as it was loaded.
        loaded: the same with what was said since.
    """

    base: LoadedModel
    loaded: LoadedModel
    _content: Content | None = None

    def content(self) -> Content:
        """The words of the learnt products, taken at the first use."""
        if self._content is None:
            self._content = Content.of(self.base.model.catalogue)
        return self._content


class LiveCatalogue:
    """Follows what the shop says of its products and stores; safe to share between threads.

    Args:
        store: where it is kept.
        reads: the same for who cannot wait long.
        logger: told when it cannot be read.
    """

    def __init__(self, store: CatalogueStore, reads: CatalogueStore, logger: Logger) -> None:
        self._store = store
        self._reads = reads
        self._logger = logger
        self._lock = threading.Lock()
        self._products: Followed[Product] = Followed()
        self._shops: Followed[Shop] = Followed()
        self._revision = ""
        self._dressed: tuple[_Dressed, ...] = ()
        self._complaint = ""
        self._poller = Poller("catalogue-watcher", self.follow)

    def dressed(self, loaded: LoadedModel) -> LoadedModel:
        """A model with the catalogue of the moment; itself where nothing was said."""
        if not self._revision:
            return loaded
        for dressed in self._dressed:
            if dressed.base is loaded:
                return dressed.loaded
        with self._lock:
            if not any(dressed.base is loaded for dressed in self._dressed):
                dressed = _Dressed(loaded, loaded)
                self._dress(dressed, self._products.rows)
                # Beside the one before, which answers until this one is the current model.
                self._dressed = (dressed, *self._dressed[:1])
        return self.dressed(loaded)

    @property
    def shops(self) -> Mapping[str, Shop]:
        """The stores that were described, by id; do not change it."""
        return self._shops.rows

    def upsert_products(self, products: Sequence[Product]) -> int:
        """Add products or replace them whole, each id once; return when, for a token.

        Raises:
            StoreUnavailableError: it cannot be written; some may be, and repeating it is safe.
        """
        written_at = self._store.put_products(products)
        self.follow()
        return written_at

    def upsert_stores(self, shops: Sequence[Shop]) -> int:
        """Add stores or replace them whole, likewise."""
        written_at = self._store.put_stores(shops)
        self.follow()
        return written_at

    def sees(self, written_at: int, deadline: float) -> bool:
        """Read on, if need be, and tell whether what was written at a moment is known.

        Args:
            written_at: the moment, unix milliseconds of the store; 0 is none.
            deadline: monotonic seconds when the caller stops waiting.
        """
        if not written_at or has_seen(min(self._products.as_of, self._shops.as_of), written_at):
            return True
        left = min(max(0.0, deadline - time.monotonic()), READ_SECONDS)
        if not self._lock.acquire(timeout=left):
            return False
        try:
            self._read_on(self._reads, deadline)
        except StoreUnavailableError:
            return False
        finally:
            self._lock.release()
        return True

    def follow(self) -> bool:
        """Read on, and tell whether that was possible.

        What stands in the way is logged once, and what is known stays known.
        """
        complaint = ""
        try:
            with self._lock:
                self._read_on(self._store, time.monotonic() + READ_SECONDS)
        except StoreUnavailableError as error:
            complaint = str(error)
            if complaint != self._complaint:
                self._logger.warning("catalogue_unreadable", error=complaint)
        self._complaint = complaint
        return not complaint

    def watch(self, interval_seconds: float) -> None:
        """Follow from a thread of its own, until ``stop``."""
        self._poller.start(interval_seconds)

    def stop(self) -> None:
        """End the watching."""
        self._poller.stop()

    def _read_on(self, store: CatalogueStore, deadline: float) -> None:
        self._shops.read_on(lambda known: store.stores_since(known, deadline))
        self._products.read_on(lambda known: store.products_since(known, deadline))
        shops, products = self._shops.take(), self._products.take()
        damaged = [name for found in (shops, products) for one in found for name in one.damaged]
        for name in damaged:
            self._logger.error("catalogue_row_damaged", row=name[:80])
        if not shops and not products:
            return
        self._revision = f"{self._products.revision}.{self._shops.revision}"
        is_whole = any(changes.is_whole for changes in products)
        fresh = {name: row for changes in products for name, row in changes.rows.items()}
        for dressed in self._dressed:
            if is_whole:
                dressed.loaded = dressed.base
            self._dress(dressed, self._products.rows if is_whole else fresh)

    def _dress(self, dressed: _Dressed, products: Mapping[str, Product]) -> None:
        """Add products to what a model sells, and give it the stores; call it with the lock."""
        base, assortment = dressed.base, dressed.loaded.assortment
        if products:
            assortment = assortment.with_products(list(products.values()), dressed.content)
        places = base.model.places
        dressed.loaded = replace(
            base,
            recommender=base.recommender.selling(assortment),
            revision=self._revision,
            shops={name: _borrowing(shop, places) for name, shop in self._shops.rows.items()},
        )


def _borrowing(shop: Shop, places: Places) -> Shop:
    """A store, in the nearest cell where something was bought."""
    cell = places.known_cell(shop.location.cell)
    return replace(shop, location=replace(shop.location, cell=cell))
