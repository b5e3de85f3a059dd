"""What is held about a customer: in the ledger, the store, the live events and the model."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from recsvc.core.histories import Profile
from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.core.vocabulary import MISSING
from recsvc.identity import customer_hash, partition_of
from recsvc.service.ledger_state import Consent
from recsvc.service.live_records import held
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.ports import EventLog, People, Person
from recsvc.service.shopping import Deed, Shopper
from recsvc.service.shopping import Person as Kind
from recsvc.service.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer as the service knows them.

    Attributes:
        customer_id: the shop's id.
        consent: what they said.
        home: where they shop from.
        home_is_learnt: whether that was learnt, not set.
        segments: the shop's own groups.
        n_purchases, n_products: known purchases, and different products among them.
        n_live_events: events that wait to be collected.
        first_purchase, last_purchase: None where unknown.
        visitor_ids: visitors linked to them.
        update_time: of the last change by a caller, None if there was none.
    """

    customer_id: str
    consent: Consent = Consent.UNKNOWN
    home: Location = field(default_factory=Location)
    home_is_learnt: bool = False
    segments: tuple[str, ...] = ()
    n_purchases: int = 0
    n_products: int = 0
    n_live_events: int = 0
    first_purchase: datetime | None = None
    last_purchase: datetime | None = None
    visitor_ids: tuple[str, ...] = ()
    update_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Learnt:
    """A customer's purchases of one product, as the model has learnt them.

    Attributes:
        product_id: the product.
        n_purchases: how often.
        first, last: when; None in data without times.
        usual_quantity: how much at once.
    """

    product_id: str
    n_purchases: int
    first: datetime | None
    last: datetime | None
    usual_quantity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _InShort:
    """What a model knows of a customer; times are unix seconds, 0 unknown."""

    home: Location = field(default_factory=Location)
    n_purchases: int = 0
    products: frozenset[str] = frozenset()
    first: float = 0.0
    last: float = 0.0


class CustomerRecords:
    """Gathers what is held of a customer; it changes nothing.

    Args:
        slot: the current model.
        standing: consent and erasures.
        log: live events.
        people: what callers have set.
        hash_key: secret that people's ids are hashed with.
    """

    def __init__(
        self,
        slot: ModelSlot,
        standing: Standing,
        log: EventLog,
        people: People,
        *,
        hash_key: bytes,
    ) -> None:
        self._slot = slot
        self._standing = standing
        self._log = log
        self._people = people
        self._hash_key = hash_key

    def find(self, customer_id: str, deadline: float = math.inf) -> Customer | None:
        """The customer, None where nothing is known.

        Args:
            customer_id: who.
            deadline: monotonic seconds when the caller stops waiting.

        Raises:
            StoreUnavailableError: the store cannot answer in time.
        """
        customer = customer_hash(self._hash_key, customer_id)
        shopper = Shopper(Kind.CUSTOMER, customer_id, customer)
        person = self._people.get(customer, deadline)
        deeds = self._log.profile_of(customer, deadline).deeds
        events = list(self._log.events_of(customer, deadline))
        consent = self._standing.consent(customer)
        known = self._in_short(customer_id, customer)
        done = list(held(events, [(shopper, deed) for deed in self._new(customer_id, deeds)]))
        bought = [event for event in done if event.act is Act.PURCHASE]
        lines = Counter(line.product_id for event in bought for line in event.lines)
        lines.subtract(
            line.product_id
            for event in done
            if event.act is Act.RETURN
            for line in event.lines
            if lines[line.product_id] > 0
        )
        is_heard_of = events or deeds or self._standing.visitors(customer)
        is_given = person != Person() or consent is not Consent.UNKNOWN
        if not (known or is_heard_of or is_given):
            return None
        learnt = known or _InShort()
        times = [event.time for event in bought]
        products = {product_id for product_id, n_lines in lines.items() if n_lines > 0}
        first = [t for t in (learnt.first, *times) if t]
        last = [t for t in (learnt.last, *times) if t]
        return Customer(
            customer_id=customer_id,
            consent=consent,
            home=person.home or learnt.home,
            home_is_learnt=not person.home and bool(learnt.home),
            segments=person.segments,
            n_purchases=learnt.n_purchases + sum(n for n in lines.values() if n > 0),
            n_products=len(products | learnt.products),
            n_live_events=len(events),
            first_purchase=_time(min(first, default=0)),
            last_purchase=_time(max(last, default=0)),
            visitor_ids=person.visitor_ids,
            update_time=_time(person.updated),
        )

    def learnt(self, customer_id: str) -> list[Learnt]:
        """What the current model has learnt of a customer, by product id."""
        found = self._profile(customer_id, customer_hash(self._hash_key, customer_id))
        if found is None:
            return []
        loaded, profile = found
        rows = zip(
            loaded.model.catalogue.items.ids.take(profile.items.tolist()),
            profile.n_purchases.tolist(),
            profile.first_time.tolist(),
            profile.last_time.tolist(),
            profile.bought_at_once.tolist(),
            strict=True,
        )
        return sorted(
            (
                Learnt(name, n, _time(first), _time(last), usual_quantity)
                for name, n, first, last, usual_quantity in rows
            ),
            key=lambda learnt: learnt.product_id,
        )

    def _new(self, customer_id: str, deeds: Sequence[Deed]) -> list[Deed]:
        """The deeds of a customer that the current model has not learnt."""
        customer = customer_hash(self._hash_key, customer_id)
        found = self._profile(customer_id, customer)
        if found is None:
            return list(deeds)
        learnt, partition = found[0].learnt, partition_of(customer)
        return [deed for deed in deeds if not learnt.has(deed, partition)]

    def _profile(self, customer_id: str, customer: str) -> tuple[LoadedModel, Profile] | None:
        """The model and what it has learnt of a customer; None where it must not be asked."""
        loaded = self._slot.loaded
        if loaded is None or not self._standing.is_heeded(customer, loaded.learnt.ledger):
            return None
        index = loaded.model.customers.index(customer_id)
        return None if index == MISSING else (loaded, loaded.model.histories.profile(index))

    def _in_short(self, customer_id: str, customer: str) -> _InShort | None:
        """What the current model knows of a customer, None where that is nothing."""
        found = self._profile(customer_id, customer)
        if found is None:
            return None
        loaded, profile = found
        model = loaded.model
        index = model.customers.index(customer_id)
        times = profile.first_time[profile.first_time > 0]
        return _InShort(
            home=model.places.describe(loaded.recommender.place(index, Location())),
            n_purchases=int(profile.n_purchases.sum()),
            products=frozenset(model.catalogue.items.ids.take(profile.purchased.tolist())),
            first=float(times.min()) if len(times) else 0.0,
            last=float(profile.last_time.max()) if len(profile.items) else 0.0,
        )


def _time(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
