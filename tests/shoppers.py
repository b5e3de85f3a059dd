"""Shoppers and what they do, as the stores get it."""

from typing import Any

from recsvc.core.live import Act
from recsvc.identity import customer_hash, visitor_hash
from recsvc.service.shopping import Event, Line, Person, Shopper

KEY = b"key"
T0 = 1_700_000_000.123456


def customer(customer_id: str) -> Shopper:
    """Return a customer."""
    return Shopper(Person.CUSTOMER, customer_id, customer_hash(KEY, customer_id))


def visitor(visitor_id: str) -> Shopper:
    """Return a visitor."""
    return Shopper(Person.VISITOR, visitor_id, visitor_hash(KEY, visitor_id))


ANNA = customer("anna")
BEN = customer("ben")
GUEST = visitor("guest")


def event(event_id: str, shopper: Shopper = ANNA, **fields: Any) -> Event:
    """Return a purchase of one product, named like the event, but for ``fields``."""
    given: dict[str, Any] = {"act": Act.PURCHASE, "time": T0, "lines": (Line(event_id),)} | fields
    return Event(event_id=event_id, shopper=shopper, **given)
