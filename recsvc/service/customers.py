"""A customer's rights over what is held about them, and what the shop says of them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from recsvc.core.places import Location
from recsvc.errors import (
    ErasedMeanwhileError,
    NotFoundError,
    StoreUnavailableError,
)
from recsvc.identity import customer_hash, visitor_hash
from recsvc.service.customer_records import Customer, CustomerRecords, Learnt
from recsvc.service.ledger_state import Consent
from recsvc.service.live_records import held
from recsvc.service.models import ModelSlot
from recsvc.service.ports import EventLog, People, Person, ServedLists
from recsvc.service.selling import NOTHING, Written
from recsvc.service.served import ServedList
from recsvc.service.shopping import Event, Shopper
from recsvc.service.shopping import Person as Kind
from recsvc.service.standing import Standing


@dataclass(frozen=True, slots=True)
class Linked:
    """How many events changed hands, and the position of the ledger that has it."""

    n_events_moved: int
    position: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of an erasure; it holds nothing that names the customer.

    Attributes:
        receipt_id: name of it.
        time: when that was.
        customer_hash: of the customer.
        n_events: waiting events that were deleted, of visitors too.
        n_visitors: visitors who were erased with the customer.
        position: of the ledger, that has it.
        is_on_disk: whether not even a power failure brings anything back; False where the store
            cannot tell.
    """

    receipt_id: str
    time: datetime
    customer_hash: str
    n_events: int
    n_visitors: int
    position: int
    is_on_disk: bool


class Customers:
    """The use cases of whoever looks after customers.

    Args:
        slot: the current model.
        standing: consent and erasures.
        log: live events.
        people: what callers have set.
        served: lists that were served.
        hash_key: secret that people's ids are hashed with.
    """

    def __init__(
        self,
        slot: ModelSlot,
        standing: Standing,
        log: EventLog,
        people: People,
        served: ServedLists,
        *,
        hash_key: bytes,
    ) -> None:
        self._records = CustomerRecords(slot, standing, log, people, hash_key=hash_key)
        self._standing = standing
        self._log = log
        self._people = people
        self._served = served
        self._hash_key = hash_key

    def get(
        self, customer_id: str, must_see: Written = NOTHING, deadline: float = math.inf
    ) -> Customer:
        """Describe a customer.

        Args:
            customer_id: who.
            must_see: what must be known.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            NotFoundError: nothing at all is known of them (CUSTOMER_NOT_FOUND).
            StoreUnavailableError: the store cannot answer in time.
        """
        if not self._standing.sees(must_see.ledger):
            raise StoreUnavailableError("what the token stands for is not to be seen here yet")
        found = self._records.find(customer_id, deadline)
        if found is None:
            raise NotFoundError(
                "customer_id: the service knows nothing of this customer",
                reason="CUSTOMER_NOT_FOUND",
            )
        return found

    def describe(self, customer_id: str, deadline: float = math.inf) -> Customer:
        """Describe a customer of whom nothing need be known.

        Args:
            customer_id: who.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        return self._records.find(customer_id, deadline) or Customer(customer_id=customer_id)

    def update(
        self,
        customer_id: str,
        *,
        consent: Consent | None = None,
        home: Location | None = None,
        segments: tuple[str, ...] | None = None,
        now: datetime,
        allow_missing: bool,
    ) -> int:
        """Change what is given; who is not known is made known.

        Returns:
            The position of the ledger that has it, or an erasure that overtook it.

        Raises:
            NotFoundError: nothing is known of them, and ``allow_missing`` is false.
            StoreUnavailableError: the store cannot answer in time.
        """
        self._standing.follow()
        position = heeds = self._standing.position
        customer = customer_hash(self._hash_key, customer_id)
        if not allow_missing:
            try:
                self.get(customer_id)
            except StoreUnavailableError:
                if consent is Consent.WITHDRAWN:
                    # A refusal waits for nobody, not even to know whether they exist.
                    self._standing.set_consent(customer, consent, heeds)
                raise
        if consent is not None:
            # First: whatever becomes of the rest, nobody reads on against their will.
            try:
                _, position = self._standing.set_consent(customer, consent, heeds)
            except ErasedMeanwhileError:
                return self._standing.position
        self._change(
            customer,
            lambda person: replace(
                person,
                home=person.home if home is None else home,
                segments=person.segments if segments is None else segments,
                updated=now.timestamp(),
            ),
            heeds,
        )
        return position

    def link(self, visitor_id: str, customer_id: str, now: float) -> Linked:
        """Hand a visitor's live events to a customer; safe to repeat.

        Without the customer's consent no event changes hands. That it is the same person is noted
        all the same, in hashes: what they said counts for the visitor, and erasing finds both.

        Raises:
            StoreUnavailableError: the store cannot answer in time; repeating it goes on.
        """
        visitor = Shopper(Kind.VISITOR, visitor_id, visitor_hash(self._hash_key, visitor_id))
        customer = Shopper(Kind.CUSTOMER, customer_id, customer_hash(self._hash_key, customer_id))
        # Links that other processes' erasures undid a moment ago are made anew.
        self._standing.follow()
        # First, so that an erasure that comes in between finds the visitor too, and is heeded.
        heeds = self._standing.link(visitor.key, customer.key)
        n_moved = 0
        if self._standing.allows(customer.key):
            self._change(
                customer.key,
                lambda person: replace(
                    person, visitor_ids=tuple(dict.fromkeys((*person.visitor_ids, visitor_id)))
                ),
                heeds,
            )
            n_moved = self._log.hand_over(visitor, customer, now, heeds)
        return Linked(n_moved, max(heeds, self._standing.position))

    def erase(self, customer_id: str) -> Receipt:
        """Forget a customer, and the visitors linked to them; safe to repeat.

        Raises:
            StoreUnavailableError: the store cannot answer in time; repeating it goes on.
        """
        customer = customer_hash(self._hash_key, customer_id)
        try:
            known = self._visitors(customer)
        except StoreUnavailableError:  # down or damaged; the ledger knows who was linked
            known = []
        # First what no crash may undo: from here on nobody is asked about the customer.
        time, position, visitors = self._standing.forget(customer, known)
        swept = {one: self._log.erase(one, position) for one in (*visitors, customer)}
        for shopper in swept:
            self._served.erase(shopper)
        is_on_disk = self._log.settle(customer)
        # What came in before the log let go may have been collected meanwhile: it is purged too.
        position = self._standing.swept({one: found.until for one, found in swept.items()})
        n_events = sum(found.n_events for found in swept.values())
        return Receipt(uuid4().hex, time, customer, n_events, len(visitors), position, is_on_disk)

    def export(
        self, customer_id: str, deadline: float = math.inf
    ) -> tuple[Customer, list[Learnt], Iterator[Event]]:
        """Everything that is held: the customer, what was learnt, and what they did of late.

        Args:
            customer_id: who.
            deadline: monotonic seconds when the caller stops waiting; also for the events.

        Returns:
            The customer; what the current model has learnt, by product id; and events: those that
            wait to be collected, the oldest first, and then what else live profiles hold, without
            ids. Of linked visitors too.

        Raises:
            NotFoundError: nothing at all is known of them (CUSTOMER_NOT_FOUND).
            StoreUnavailableError: the store cannot answer in time.
        """
        customer = self.get(customer_id, deadline=deadline)
        key = customer_hash(self._hash_key, customer_id)
        names = {visitor_hash(self._hash_key, one): one for one in customer.visitor_ids}
        people = [
            *(
                Shopper(Kind.VISITOR, names.get(one, ""), one)
                for one in self._visitors(key, deadline)
            ),
            Shopper(Kind.CUSTOMER, customer_id, key),
        ]
        deeds = [
            (one, deed) for one in people for deed in self._log.profile_of(one.key, deadline).deeds
        ]
        events = (event for one in people for event in self._log.events_of(one.key, deadline))
        return customer, self._records.learnt(customer_id), held(events, deeds)

    def served(self, customer_id: str, deadline: float = math.inf) -> Iterator[ServedList]:
        """The lists that are kept of what a customer was served, of linked visitors too.

        Args:
            customer_id: who.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        customer = customer_hash(self._hash_key, customer_id)
        for shopper in (*self._visitors(customer, deadline), customer):
            yield from self._served.of_shopper(shopper, deadline)

    def _visitors(self, customer: str, deadline: float = math.inf) -> list[str]:
        """Visitors (hashes) who are a customer; the ledger knows them where Redis was emptied."""
        visitor_ids = self._people.get(customer, deadline).visitor_ids
        named = (visitor_hash(self._hash_key, visitor_id) for visitor_id in visitor_ids)
        return list(dict.fromkeys((*named, *self._standing.visitors(customer))))

    def _change(self, customer: str, change: Callable[[Person], Person], heeds: int) -> None:
        """Change what is set; nothing is lost of what others change at the same time.

        Of who was erased after ``heeds`` nothing is kept: as if it had been changed just before.
        """
        try:
            while True:
                before = self._people.get(customer)
                if self._people.put(customer, change(before), before, heeds=heeds):
                    return
        except ErasedMeanwhileError:
            self._standing.follow()
            if self._standing.erased_at(customer) <= heeds:
                raise  # not by this ledger; what is known here is older
