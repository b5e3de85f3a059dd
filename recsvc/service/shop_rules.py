"""The shop's rules as they are now, in every process."""

import threading
from dataclasses import dataclass

from recsvc.artifacts.documents import CURRENT, Documents
from recsvc.artifacts.pointer_file import PointerStamp
from recsvc.artifacts.rules_check import rules_in_force
from recsvc.core.assortment import Assortment
from recsvc.core.rules import NO_RULES, Rulebook
from recsvc.core.ruling import PreparedRules
from recsvc.errors import RecsvcError
from recsvc.service.poller import Poller
from recsvc.telemetry import Logger, Metrics

_MAX_PREPARED = 8
"""Rules of so many versions, each for the products of a moment, are kept ready."""

_MAX_READY = 2
"""Of those, the latest are made ready for new rules."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the threads of a process see, all of it of one moment.

    Attributes:
        current: the rules in force.
        books: those of other versions that somebody has asked for, by version.
        prepared: rules that were looked up in an assortment, the latest first.
    """

    current: Rulebook = NO_RULES
    books: tuple[tuple[str, Rulebook], ...] = ()
    prepared: tuple[tuple[Assortment, PreparedRules], ...] = ()


class ShopRules:
    """Follows the rules of a registry; safe to share between threads.

    Args:
        shelf: where rules lie.
        logger: told of every change, and of what cannot be read.
        metrics: counts what could not be read.
    """

    def __init__(self, shelf: Documents, *, logger: Logger, metrics: Metrics) -> None:
        self._shelf = shelf
        self._logger = logger
        self._metrics = metrics
        self._lock = threading.Lock()  # held by who changes what is known, never by who reads it
        self._known = _Known()
        self._seen: PointerStamp | str | None = None
        self._poller = Poller("rules-watcher", logger)

    @property
    def current(self) -> Rulebook:
        """The rules in force."""
        return self._known.current

    def prepared(self, assortment: Assortment, version_ref: str = CURRENT) -> PreparedRules:
        """Rules looked up in an assortment.

        Args:
            assortment: the products.
            version_ref: a version, for an experiment; where it cannot be read, the rules in force
                stand in.
        """
        known = self._known
        book = known.current if version_ref == CURRENT else self._book(version_ref)
        for own, prepared in known.prepared:
            if own is assortment and prepared.book is book:
                return prepared
        made = PreparedRules.of(book, assortment)
        with self._lock:
            before = self._known
            kept = ((assortment, made), *before.prepared)[:_MAX_PREPARED]
            self._known = _Known(before.current, before.books, kept)
        return made

    def refresh(self) -> None:
        """Follow the registry, if anything has changed.

        What cannot be read is logged and counted; the rules that were in force stay so.
        """
        with self._lock:
            try:
                seen = self._shelf.pointer_stamp()
                if seen == self._seen:
                    return
                book = rules_in_force(self._shelf)
                # Looked up here for the products of the moment, so that no caller waits for it.
                known = {id(own): own for own, _ in self._known.prepared[:_MAX_READY]}
                ready = tuple((own, PreparedRules.of(book, own)) for own in known.values())
                self._known = _Known(book, prepared=ready)
                self._seen = seen
                self._logger.info("rules_in_force", version_id=book.version_id, n=len(book.rules))
            except RecsvcError as error:
                self._failed(error)

    def watch(self, interval_seconds: float) -> None:
        """Follow from a thread of its own, until ``stop``."""
        self._poller.start(self.refresh, interval_seconds)

    def stop(self) -> None:
        """End the watching."""
        self._poller.stop()

    def _book(self, version_id: str) -> Rulebook:
        """The rules of a version, read once."""
        known = self._known
        if version_id == known.current.version_id:
            return known.current
        found = dict(known.books).get(version_id)
        if found is not None:
            return found
        with self._lock:
            try:
                book = rules_in_force(self._shelf, version_id)
            except RecsvcError as error:
                self._failed(error)
                book = self._known.current
            before = self._known
            self._known = _Known(
                before.current, (*before.books, (version_id, book)), before.prepared
            )
        return book

    def _failed(self, error: RecsvcError) -> None:
        if self._seen != str(error):
            self._metrics.rules_failures.inc()
            self._logger.error("rules_unreadable", error=str(error))
        self._seen = str(error)
