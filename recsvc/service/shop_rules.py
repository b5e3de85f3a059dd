"""The shop's rules as they are now, in every process."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from recsvc.artifacts.documents import Documents
from recsvc.artifacts.rules_check import rules_in_force
from recsvc.core.assortment import Assortment
from recsvc.core.rules import NO_RULES, Rulebook
from recsvc.core.ruling import PreparedRules
from recsvc.errors import RecsvcError
from recsvc.logs import Logger
from recsvc.metrics import Metrics
from recsvc.service.poller import Poller
from recsvc.service.shelf_watch import ShelfWatch
from recsvc.service.stopping import STOP_SECONDS

_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Known:
    """What the threads of a process see, all of it of one moment.

    Attributes:
        current: the rules in force.
        kept: other versions that may be asked for, as the variants of experiments have them.
        sold: what the models that may be asked sell.
        prepared: all of these rules, looked up in each of these assortments.
    """

    current: Rulebook = NO_RULES
    kept: tuple[Rulebook, ...] = ()
    sold: tuple[Assortment, ...] = ()
    prepared: tuple[tuple[Assortment, PreparedRules], ...] = ()

    def found(self, book: Rulebook, assortment: Assortment) -> PreparedRules | None:
        """Rules that were looked up before."""
        for own, prepared in self.prepared:
            if own is assortment and prepared.book is book:
                return prepared
        return None

    def ready(self) -> "_Known":
        """The same with everything looked up that is not yet, and nothing else."""
        books = {id(book): book for book in (self.current, *self.kept)}
        prepared = tuple(
            (own, self.found(book, own) or PreparedRules.of(book, own))
            for own in self.sold
            for book in books.values()
        )
        return replace(self, prepared=prepared)


class ShopRules:
    """Follows the rules of a registry; safe to share between threads.

    Rules are looked up in what is sold when either changes, before anybody asks.

    Args:
        shelf: where rules lie.
        logger: told of every change, and of what cannot be read.
        metrics: counts what could not be read.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        shelf: Documents,
        *,
        logger: Logger,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelf = shelf
        self._logger = logger
        self._metrics = metrics
        self._lock = threading.Lock()  # held by who changes what is known, never by who reads it
        self._known = _Known()
        self._watch = ShelfWatch(shelf, retry_seconds=_RETRY_SECONDS, monotonic=monotonic)
        self._poller = Poller("rules-watcher", logger)

    @property
    def current(self) -> Rulebook:
        """The rules in force."""
        return self._known.current

    def prepared(self, assortment: Assortment, book: Rulebook | None = None) -> PreparedRules:
        """Rules looked up in an assortment.

        Args:
            assortment: the products; looked up here and now if nobody said that they are sold.
            book: the rules of a variant, those in force unless given.
        """
        known = self._known
        book = known.current if book is None else book
        return known.found(book, assortment) or PreparedRules.of(book, assortment)

    def sell(self, assortments: Sequence[Assortment]) -> None:
        """Look all rules up in these assortments, and from now on in no others."""
        with self._lock:
            self._known = replace(self._known, sold=tuple(assortments)).ready()

    def keep(self, books: Sequence[Rulebook]) -> None:
        """Look these rules up too from now on, beside those in force, and no others."""
        with self._lock:
            self._known = replace(self._known, kept=tuple(books)).ready()

    def read(self, version_ref: str) -> Rulebook:
        """Read a version.

        Raises:
            NotFoundError: there is no such version (VERSION_NOT_FOUND).
            RegistryError: the shelf cannot be read.
            InputError: they are of a later recsvc.
        """
        current = self._known.current
        if version_ref == current.version_id:
            return current
        return rules_in_force(self._shelf, version_ref)

    def refresh(self) -> None:
        """Follow the registry, if anything has changed.

        What cannot be read is logged and counted; the rules that were in force stay so, and it is
        tried again at the next change or after a few seconds.
        """
        with self._lock:
            try:
                if not self._watch.is_due():
                    return
                book = rules_in_force(self._shelf)
            except RecsvcError as error:
                if self._watch.is_news(error):
                    self._metrics.rules_failures.inc()
                    self._logger.error("rules_unreadable", error=str(error))  # noqa: TRY400  # says it all
                return
            self._known = replace(self._known, current=book).ready()
            self._watch.done()
        self._logger.info("rules_in_force", version_id=book.version_id, n=len(book.rules))

    def watch(self, interval_seconds: float) -> None:
        """Follow from a thread of its own, until ``stop``."""
        self._poller.start(self.refresh, interval_seconds)

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """End the watching; what it is at is waited for so long."""
        self._poller.stop(wait_seconds)
