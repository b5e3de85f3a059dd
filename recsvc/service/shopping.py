"""What shoppers do, in the shop's own terms: ids instead of indices."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from recsvc.core.live import Act
from recsvc.core.places import Location


class Person(StrEnum):
    """What a shopper's id names."""

    CUSTOMER = "c"
    VISITOR = "v"


@dataclass(frozen=True, slots=True)
class Shopper:
    """Who is acting or asking.

    Attributes:
        kind: what the id names.
        shopper_id: the shop's id.
        key: keyed hash of it, which stands for the shopper wherever the id need not be.
    """

    kind: Person
    shopper_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Line:
    """Some quantity of one product.

    Attributes:
        product_id: the product.
        quantity: positive.
        unit_price: as paid, None unknown.
        currency: ISO 4217, ``""`` unknown.
    """

    product_id: str
    quantity: float = 1.0
    unit_price: float | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that one shopper did; valid, and ready to be stored.

    Attributes:
        event_id: the caller's, which deduplicates.
        act: what was done.
        shopper: by whom.
        time: when, unix seconds.
        lines: the products, at least one.
        location: where; coordinates are a cell already.
        order_id, session_id, placement_id, recommendation_id, channel: ``""`` where not given.
        rating: of FEEDBACK, 1 to 5; None for everything else.
    """

    event_id: str
    act: Act
    shopper: Shopper
    time: float
    lines: tuple[Line, ...]
    location: Location = field(default_factory=Location)
    order_id: str = ""
    session_id: str = ""
    placement_id: str = ""
    recommendation_id: str = ""
    channel: str = ""
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A visitor turned out to be a customer.

    Attributes:
        visitor: as whom they came.
        customer: who they are.
        time: when that was found, unix seconds.
    """

    visitor: Shopper
    customer: Shopper
    time: float


class Outcome(StrEnum):
    """What became of an event."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    DROPPED_NO_CONSENT = "DROPPED_NO_CONSENT"
    FULL = "FULL"


@dataclass(frozen=True, slots=True)
class Deed:
    """One event as a live profile holds it.

    Attributes:
        act: what was done.
        time: when, unix seconds.
        received: when it was stored, unix milliseconds; the model has learnt what was received
            before its data was collected.
        order: what tells orders apart, 0 where no order was named.
        location: where.
        rating: of FEEDBACK, else 0.
        products: ids.
        quantities: of each.
    """

    act: Act
    time: int
    received: int
    order: int
    location: Location
    rating: float
    products: tuple[str, ...]
    quantities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LiveProfile:
    """What one shopper did of late, in the order in which it came.

    Attributes:
        revision: another one after every event and every change of what was set; 0 where nothing
            is held.
        deeds: the events that count for lists.
        home: where they shop from, as it was set; empty where it was not.
    """

    revision: int
    deeds: tuple[Deed, ...]
    home: Location = field(default_factory=Location)


NO_DEEDS = LiveProfile(0, ())


INTEREST_SECONDS = 2 * 86_400
PURCHASE_SECONDS = 120 * 86_400
"""How long looks and baskets, and everything else, stay in a live profile. Longer than they shape
a list, and long enough for a night, or a rollback, to have learnt from them."""

_INTEREST = frozenset({Act.VIEW, Act.CLICK, Act.ADD_TO_CART, Act.REMOVE_FROM_CART})


def is_needed(deed: Deed, now: float) -> bool:
    """Whether a live profile still has to hold an event at ``now``, unix seconds."""
    kept = INTEREST_SECONDS if deed.act in _INTEREST else PURCHASE_SECONDS
    return now - deed.received / 1000 <= kept


def spread(deeds: Iterable[Deed], values: Iterable[float]) -> NDArray[np.float64]:
    """One value an event, repeated for each of its products."""
    return np.repeat(
        np.fromiter(values, np.float64), np.fromiter((len(d.products) for d in deeds), np.int64)
    )
