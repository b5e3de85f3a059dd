"""What the use cases need from outside, as Protocols that adapters in ``store`` fulfil.

The cache of lists has a module of its own, :mod:`recsvc.service.cache_port`.

Wherever a ``deadline`` is taken, it is monotonic seconds when the caller stops waiting, and what is
raised where the time is over is ``StoreUnavailableError`` with the reason DEADLINE_EXCEEDED. Who
must know the outcome gives none, and waits as long as the store lets it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from recsvc.core.catalogue import Product
from recsvc.core.places import Location
from recsvc.service.selling import Changes, Shop, StockRecord
from recsvc.service.served import ServedList
from recsvc.service.shopping import Event, LiveProfile, Outcome, Shopper


@dataclass(frozen=True, slots=True)
class Swept:
    """What an event log has let go of a shopper.

    Attributes:
        n_events: waiting events that were deleted.
        until: the moment, unix milliseconds by the log's clock; what is kept of who has come back
            was received later.
    """

    n_events: int
    until: int


class EventLog(Protocol):
    """Keeps events until they are collected, and what each shopper did of late.

    An event is stored wholly, log and profile together, or not at all. Who writes says up to which
    position of the ledger it ``heeds`` erasures: nothing is kept of who was erased after it, so
    that no call that is late undoes an erasure.
    """

    def append(
        self, events: Sequence[Event], *, durable: bool, heeds: int, deadline: float = math.inf
    ) -> list[Outcome]:
        """Store events and say what became of each, in order.

        DROPPED_NO_CONSENT are those of who was erased after ``heeds``. What was sent when the time
        is over may be stored: the store decides, whether anybody waits or not.

        Raises:
            StoreUnavailableError: the store cannot answer in time; sending all again is safe.
            PreconditionError: ``durable`` is more than it promises (DURABILITY_UNAVAILABLE).
        """
        ...

    def erase(self, shopper: str, position: int) -> Swept:
        """Delete a shopper's profile, what was set of them, and waiting events, as of one moment.

        Nothing of them is kept afterwards by who does not heed ``position`` of the ledger; what is
        kept of who does stays.

        Raises:
            StoreUnavailableError: the store cannot answer in time; repeating it is safe.
        """
        ...

    def settle(self, shopper: str) -> bool:
        """Wait a moment until what was deleted of a shopper is on the disk.

        Returns:
            Whether it is; False where the store cannot tell, or not in time.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def hand_over(self, visitor: Shopper, customer: Shopper, now: float, heeds: int) -> int:
        """Move a visitor's live profile into a customer's, and return how many events that were.

        A call that was cut off is finished by the next one; nothing is moved twice, and nothing
        where either was erased after ``heeds``.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def events_of(self, shopper: str, deadline: float = math.inf) -> Iterator[Event]:
        """Every event of a shopper that waits to be collected, the oldest first.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def profile_of(self, shopper: str, deadline: float = math.inf) -> LiveProfile:
        """What a shopper did of late, collected or not; empty where it cannot be read.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def length(self) -> int:
        """How many events wait to be collected.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What callers have set of a customer.

    Attributes:
        home: where they shop from.
        segments: the shop's own groups.
        visitor_ids: visitors who turned out to be this customer.
        updated: when home or segments were last set, unix seconds; 0 never.
    """

    home: Location = field(default_factory=Location)
    segments: tuple[str, ...] = ()
    visitor_ids: tuple[str, ...] = ()
    updated: float = 0.0


class People(Protocol):
    """Keeps what callers have set, by the hash of the customer."""

    def get(self, customer: str, deadline: float = math.inf) -> Person:
        """Return what was set, an empty person where nothing was.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
            DamagedError: what is kept cannot be read.
        """
        ...

    def put(
        self, customer: str, person: Person, before: Person | None = None, *, heeds: int
    ) -> bool:
        """Keep a person, in place of any earlier one.

        Args:
            customer: whose.
            person: what to keep.
            before: what must lie there; None anything may.
            heeds: position of the ledger up to which erasures are heeded.

        Returns:
            Whether it is kept: False where another than ``before`` lies there.

        Raises:
            ErasedMeanwhileError: the event log was told of an erasure of theirs after ``heeds``.
            StoreUnavailableError: the store cannot answer in time.
        """
        ...


class CatalogueStore(Protocol):
    """Keeps what the shop says of products, stores and stock between trainings.

    Every write returns the moment of it, unix milliseconds of the store, and every method raises
    ``StoreUnavailableError`` where the store cannot answer in time; repeating a write is safe.
    ``known`` is the revision that the reader has, 0 at the beginning.
    """

    def put_products(self, products: Sequence[Product]) -> int:
        """Add products, or replace them whole."""
        ...

    def put_stores(self, shops: Sequence[Shop]) -> int:
        """Add stores, or replace them whole."""
        ...

    def put_stock(self, store_id: str, records: Sequence[StockRecord]) -> tuple[list[bool], int]:
        """Write stock of one store; say of each whether it is kept, or is older than what was."""
        ...

    def stock(
        self, store_id: str, product_ids: Sequence[str], deadline: float = math.inf
    ) -> list[StockRecord | None]:
        """Read stock of one store, None where nobody has said."""
        ...

    def products_since(self, known: int, deadline: float) -> Changes[Product]:
        """Read products that were written since a revision."""
        ...

    def stores_since(self, known: int, deadline: float) -> Changes[Shop]:
        """Read stores that were written since a revision."""
        ...

    def stock_since(self, store_id: str, known: int, deadline: float) -> Changes[StockRecord]:
        """Read stock of one store that was written since a revision."""
        ...


class ServedLists(Protocol):
    """Keeps lists that were served, for a set time, by their names and by who asked.

    Every method raises ``StoreUnavailableError`` where the store cannot answer in time.
    """

    def add(self, lists: Sequence[ServedList], heeds: int) -> list[Outcome]:
        """Keep lists, and say what became of each, in order.

        ACCEPTED; FULL where there was no room; DROPPED_NO_CONSENT of who was erased after
        ``heeds``, a position of the ledger, as the event log was told.
        """
        ...

    def find(self, recommendation_id: str) -> ServedList | None:
        """Return a list by its name, None where it is not kept, or not any more."""
        ...

    def every(self) -> Iterator[ServedList]:
        """Every list that is kept, by the hour in which it was served."""
        ...

    def of_shopper(self, shopper: str, deadline: float = math.inf) -> list[ServedList]:
        """The lists that a shopper (a hash) was served, the oldest first."""
        ...

    def erase(self, shopper: str) -> int:
        """Forget the lists of a shopper (a hash), and return how many those were."""
        ...


class AnswerStore(Protocol):
    """Keeps the answers to writes, so that a repetition gets the first one; a day at least."""

    def get(self, request_id: str, deadline: float = math.inf) -> bytes | None:
        """Return what was kept under a request_id, None where nothing was.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...

    def put(self, request_id: str, answer: bytes, deadline: float = math.inf) -> None:
        """Keep an answer, unless there is one.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        ...


MAX_LEASES = 500
"""Asked for at once: each takes Redis some microseconds, in which it answers nobody else."""


class Lease(NamedTuple):
    """Tokens of a caller that a process asks for.

    Attributes:
        caller: whose they are.
        rate: tokens a second that come in.
        owed: tokens that it has given away already; below 0, that it gives back.
        wanted: tokens that it would like to have beside.
    """

    caller: str
    rate: float
    owed: float
    wanted: float


class RateStore(Protocol):
    """Keeps what all processes share of the callers' tokens, a second's worth at most of each."""

    def lease(self, leases: Sequence[Lease]) -> list[float | None]:
        """Charge what is owed, whether it is there or not, and give of what is wanted what is left.

        Args:
            leases: at most ``MAX_LEASES``, each caller's once.

        Returns:
            The tokens that are given, one number for each lease; None where the store has refused
            that one, of which nothing is charged.

        Raises:
            UnansweredError: the store has not answered in time: any of it may be charged.
            StoreUnavailableError: it was not asked: nothing is charged.
        """
        ...
