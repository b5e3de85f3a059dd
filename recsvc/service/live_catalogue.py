"""Products and stores as the shop describes them between trainings, in every process."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import Product
from recsvc.core.places import Places
from recsvc.errors import StoreUnavailableError
from recsvc.logs import Logger
from recsvc.metrics import Metrics, Switch
from recsvc.service.models import LoadedModel
from recsvc.service.poller import Poller
from recsvc.service.ports import CatalogueStore
from recsvc.service.selling import Changes, Shop
from recsvc.service.stopping import STOP_SECONDS

READ_SECONDS = 30.0
"""Longest wait for a whole catalogue; nobody waits for it but the thread that reads."""

WAIT_SECONDS = 0.5
"""Longest wait for what a token stands for."""

RETIRE_SECONDS = 60.0
"""So long after a model became the current one, nobody asks the one before any more."""

SKEW_MS = 1_000
"""The nodes of a cluster may disagree so much about the time."""

_Row = TypeVar("_Row")


def has_seen(as_of: int, written_at: int) -> bool:
    """Whether who has read as of a moment has seen what was written at another, by any clock."""
    return as_of > written_at + SKEW_MS


@dataclass(slots=True)
class Followed(Generic[_Row]):
    """What is known of one table; for who holds the lock of its owner.

    Attributes:
        rows: by id, in the order in which they were first written; never changed, but replaced.
        revision: of the table.
        as_of: every write before it is known, unix milliseconds of the store.
        unseen: what has been read, and not taken yet.
    """

    rows: Mapping[str, _Row] = field(default_factory=dict)
    revision: int = 0
    as_of: int = 0
    unseen: list[Changes[_Row]] = field(default_factory=list)

    def read_on(self, read: Callable[[int], Changes[_Row]]) -> None:
        """Read until nothing is left; what was read before an error is not read again."""
        while True:
            changes = read(self.revision)
            if changes.rows or changes.is_whole or changes.revision != self.revision:
                self.unseen.append(changes)
                self.rows = {**({} if changes.is_whole else self.rows), **changes.rows}
            self.revision, self.as_of = changes.revision, changes.as_of
            if changes.as_of:
                return


@dataclass(frozen=True, slots=True)
class _Dressed:
    """A model with the catalogue of the moment.

    Attributes:
        base: the model as it was loaded.
        loaded: the same with what was said since.
        since: when it was dressed first, monotonic seconds.
    """

    base: LoadedModel
    loaded: LoadedModel
    since: float


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What the threads of a process see, all of it of one moment.

    Attributes:
        dressed: the current model and the one before, the newest first.
        kept: other models that may be asked, as the variants of experiments have them.
        shops: the stores that were described.
        revision: of products and stores; ``""`` where nothing was said.
        as_of: every write before it is in here, unix milliseconds of the store.
    """

    dressed: tuple[_Dressed, ...] = ()
    kept: tuple[_Dressed, ...] = ()
    shops: Mapping[str, Shop] = field(default_factory=dict)
    revision: str = ""
    as_of: int = 0


class LiveCatalogue:
    """Follows what the shop says of its products and stores; safe to share between threads.

    Args:
        store: where it is kept.
        reads: the same for who cannot wait long.
        logger: told when it cannot be read.
        before_serving: called with all that may be sold, of every model that may answer, before it
            is, to do what else takes time.
        metrics: told when it cannot be read; None, nobody is.
    """

    def __init__(
        self,
        store: CatalogueStore,
        reads: CatalogueStore,
        logger: Logger,
        before_serving: Callable[[Sequence[Assortment]], object] = lambda _: None,
        metrics: Metrics | None = None,
    ) -> None:
        self._store = store
        self._reads = reads
        self._logger = logger
        self._before_serving = before_serving
        self._is_unreadable = Switch(None if metrics is None else metrics.catalogue_unreadable)
        self._lock = threading.Lock()  # held by who reads the tables or dresses a model
        self._products: Followed[Product] = Followed()
        self._shops: Followed[Shop] = Followed()
        self._now = _Snapshot()
        self._is_read = True
        self._poller = Poller("catalogue-watcher", logger)

    def dressed(self, loaded: LoadedModel) -> LoadedModel:
        """A model with the catalogue of the moment; itself where nothing was said.

        A model that was not asked for before is dressed first, which takes a while: whoever makes
        a model the current one asks for it before.
        """
        now = self._now
        for dressed in (*now.dressed, *now.kept):
            if dressed.base is loaded:
                return dressed.loaded
        with self._lock:
            now = self._now
            if all(dressed.base is not loaded for dressed in (*now.dressed, *now.kept)):
                dressed = _dressed(loaded, self._products.rows, self._shops.rows, now.revision)
                # Beside the one before, which answers until this one is the current model.
                self._publish(replace(now, dressed=(dressed, *now.dressed[:1])))
        return self.dressed(loaded)

    def keep(self, models: Sequence[LoadedModel]) -> None:
        """Dress these models too from now on, beside the current one, and no others."""
        with self._lock:
            now = self._now
            known = {id(dressed.base): dressed for dressed in now.kept}
            rows = self._products.rows, self._shops.rows
            kept = tuple(
                known.get(id(loaded)) or _dressed(loaded, *rows, now.revision) for loaded in models
            )
            self._publish(replace(now, kept=kept))

    @property
    def revision(self) -> str:
        """Of what the shop has said; the same object until it says more."""
        return self._now.revision

    @property
    def shops(self) -> Mapping[str, Shop]:
        """The stores that were described, by id."""
        return self._now.shops

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
        if not written_at or has_seen(self._now.as_of, written_at):
            return True
        # Whoever waits for this must have time for the rest of the call.
        wait = min(max(0.0, deadline - time.monotonic()) / 2, WAIT_SECONDS)
        if not self._lock.acquire(timeout=wait):
            return False
        try:
            if not has_seen(self._now.as_of, written_at):  # who had the lock may have seen it
                self._read_on(self._reads, time.monotonic() + wait)
        except StoreUnavailableError:
            return False
        finally:
            self._lock.release()
        return True

    def follow(self) -> bool:
        """Read on, and tell whether that was possible.

        What stands in the way is logged once, and what is known stays known.
        """
        try:
            with self._lock:
                self._read_on(self._store, time.monotonic() + READ_SECONDS)
        except StoreUnavailableError as error:
            # Its words change with each attempt: down, refused, down.
            if self._is_read:
                self._logger.warning("catalogue_unreadable", error=str(error))
            self._is_read = False
        else:
            self._is_read = True
        self._is_unreadable.turn(on=not self._is_read)
        return self._is_read

    def watch(self, interval_seconds: float) -> None:
        """Follow from a thread of its own, until ``stop``."""
        self._poller.start(self.follow, interval_seconds)

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """End the watching; what it is at is waited for so long."""
        self._poller.stop(wait_seconds)

    def _read_on(self, store: CatalogueStore, deadline: float) -> None:
        """Read the tables on and publish what they say, in one step; call it with the lock."""
        products, shops, now = self._products, self._shops, self._now
        shops.read_on(lambda known: store.stores_since(known, deadline))
        products.read_on(lambda known: store.products_since(known, deadline))
        revision, dressed, kept = now.revision, now.dressed, now.kept
        if shops.unseen or products.unseen:
            damaged = [n for one in products.unseen for n in one.damaged]
            damaged += [n for one in shops.unseen for n in one.damaged]
            for name in damaged:
                self._logger.error("catalogue_row_damaged", row=name[:80])
            revision = f"{products.revision}.{shops.revision}"
            is_whole = any(changes.is_whole for changes in products.unseen)
            fresh = {name: row for one in products.unseen for name, row in one.rows.items()}
            dressed, kept = (
                tuple(
                    _dressed(each.base, products.rows, shops.rows, revision, each.since)
                    if is_whole
                    else _redressed(each, fresh, shops.rows if shops.unseen else None, revision)
                    for each in models
                )
                for models in (dressed, kept)
            )
        newest = dressed[0].since if dressed else 0.0
        if time.monotonic() - newest > RETIRE_SECONDS:
            dressed = dressed[:1]
        as_of = min(products.as_of, shops.as_of)
        self._publish(_Snapshot(dressed, kept, shops.rows, revision, as_of))
        # Only now: what is raised above is tried again, with all that was read.
        products.unseen, shops.unseen = [], []

    def _publish(self, now: _Snapshot) -> None:
        """Let everybody see what is known; call it with the lock."""
        before = self._now
        sold = [each.loaded.assortment for each in (*now.dressed, *now.kept)]
        was_sold = [each.loaded.assortment for each in (*before.dressed, *before.kept)]
        if list(map(id, sold)) != list(map(id, was_sold)):
            self._before_serving(sold)
        self._now = now


def _dressed(
    base: LoadedModel,
    products: Mapping[str, Product],
    shops: Mapping[str, Shop],
    revision: str,
    since: float | None = None,
) -> _Dressed:
    """Dress a model with everything that was said."""
    # Newcomers may have come in another order before: whoever has arrays of them begins anew.
    fresh = replace(base.recommender.assortment, lineage=object())
    loaded = replace(base, recommender=base.recommender.selling(fresh)) if revision else base
    bare = _Dressed(base, loaded, time.monotonic() if since is None else since)
    return _redressed(bare, products, shops, revision)


def _redressed(
    dressed: _Dressed,
    products: Mapping[str, Product],
    shops: Mapping[str, Shop] | None,
    revision: str,
) -> _Dressed:
    """Add products to what a model sells, and give it other stores, if there are any."""
    base, loaded = dressed.base, dressed.loaded
    if not revision:
        return dressed
    recommender = loaded.recommender
    if products:
        assortment = recommender.assortment.with_products(list(products.values()))
        recommender = base.recommender.selling(assortment)
    located = loaded.shops
    if shops is not None:
        places = base.model.places
        located = {name: _borrowing(shop, places) for name, shop in shops.items()}
    return replace(
        dressed,
        loaded=replace(base, recommender=recommender, revision=revision, shops=located),
    )


def _borrowing(shop: Shop, places: Places) -> Shop:
    """A store, in the nearest cell where something was bought."""
    cell = places.known_cell(shop.location.cell)
    return replace(shop, location=replace(shop.location, cell=cell))
