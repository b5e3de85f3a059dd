"""Events as callers send them into those of the service, each checked by itself."""

import math
from collections.abc import Sequence

from google.type.money_pb2 import Money

from recsvc.core.live import Act
from recsvc.errors import InvalidRequestError
from recsvc.identity import customer_hash, visitor_hash
from recsvc.server.fields import (
    CLOCK_TOLERANCE_SECONDS,
    MAX_ID_BYTES,
    MAX_PRICE,
    check_id,
    read_choice,
    read_location,
)
from recsvc.service.shopping import Event, Line, Person, Shopper
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as api

MAX_EVENTS = 1_000
MAX_LINES = 1_000
MAX_QUANTITY = 1e9

_NANOS = 1_000_000_000
_LAST_SECOND = 0xFFFF_FFFF


def read_event(message: api.Event, key: bytes, now: float) -> Event:
    """Read one event.

    Args:
        message: as sent.
        key: secret that people's ids are hashed with.
        now: unix seconds: the time of an event that names none.

    Raises:
        InvalidRequestError: a field is missing or outside its limits.
    """
    return Event(
        event_id=check_id("event_id", message.event_id, required=True),
        act=_act(message.type),
        shopper=read_shopper("shopper", message.shopper, key),
        time=_time(message, now),
        lines=_lines(message.items),
        location=read_location("location", message.location),
        order_id=check_id("order_id", message.order_id),
        session_id=check_id("shopper.session_id", message.shopper.session_id),
        placement_id=check_id("placement_id", message.placement_id),
        recommendation_id=check_id("recommendation_id", message.recommendation_id),
        channel=read_choice("channel", message.channel, common.Channel),
        rating=_rating(message),
    )


def read_shopper(path: str, message: common.Shopper, key: bytes) -> Shopper:
    """Read who acts.

    Raises:
        InvalidRequestError: nobody is named, or an id is too long.
    """
    if message.customer_id:
        customer_id = check_id(f"{path}.customer_id", message.customer_id)
        return Shopper(Person.CUSTOMER, customer_id, customer_hash(key, customer_id))
    if message.visitor_id:
        visitor_id = check_id(f"{path}.visitor_id", message.visitor_id)
        return Shopper(Person.VISITOR, visitor_id, visitor_hash(key, visitor_id))
    raise InvalidRequestError(path, "names nobody; give a customer_id or a visitor_id")


def _act(kind: int) -> Act:
    if kind not in set(Act):
        raise InvalidRequestError("type", f"{kind} is no type of event; give one of EventType")
    return Act(kind)


def _time(message: api.Event, now: float) -> float:
    if not message.HasField("event_time"):
        return now
    seconds, nanos = message.event_time.seconds, message.event_time.nanos
    if not (0 <= seconds <= _LAST_SECOND and 0 <= nanos < _NANOS):
        raise InvalidRequestError("event_time", "is no time from 1970 to 2106")
    if seconds > now + CLOCK_TOLERANCE_SECONDS:
        raise InvalidRequestError(
            "event_time", "is more than a day in the future; check the clock that wrote it"
        )
    return seconds + nanos / _NANOS


def _lines(items: Sequence[common.LineItem]) -> tuple[Line, ...]:
    if not items:
        raise InvalidRequestError("items", f"is empty; give 1 to {MAX_LINES}")
    if len(items) > MAX_LINES:
        raise InvalidRequestError("items", f"has {len(items)} entries; give at most {MAX_LINES}")
    return tuple(_line(f"items[{index}]", item) for index, item in enumerate(items))


def _line(path: str, item: common.LineItem) -> Line:
    # Written so that NaN fails too.
    if not 0 <= item.quantity <= MAX_QUANTITY:
        raise InvalidRequestError(
            f"{path}.quantity",
            f"must be from 0 to {MAX_QUANTITY:.0e}; what comes back is a RETURN event",
        )
    price = _price(f"{path}.unit_price", item.unit_price) if item.HasField("unit_price") else None
    return Line(
        product_id=check_id(f"{path}.product_id", item.product_id, required=True),
        quantity=item.quantity or 1.0,
        unit_price=price,
        currency=item.unit_price.currency_code if price is not None else "",
    )


def _price(path: str, money: Money) -> float:
    if not (0 <= money.units <= MAX_PRICE and 0 <= money.nanos < _NANOS):
        raise InvalidRequestError(
            path, f"must be from 0 to {MAX_PRICE:.0e} units, and its nanos below one unit"
        )
    if len(money.currency_code.encode()) > MAX_ID_BYTES:
        raise InvalidRequestError(f"{path}.currency_code", "is too long")
    return float(money.units + money.nanos / _NANOS)


def _rating(message: api.Event) -> float | None:
    is_feedback = message.type == api.EVENT_TYPE_FEEDBACK
    if not message.HasField("rating"):
        if is_feedback:
            raise InvalidRequestError("rating", "is required for FEEDBACK, from 1 to 5")
        return None
    if not is_feedback:
        raise InvalidRequestError("rating", "belongs to FEEDBACK alone; leave it out")
    if not 1 <= message.rating <= 5 or math.isnan(message.rating):  # noqa: PLR2004  # the scale
        raise InvalidRequestError("rating", "must be from 1 to 5")
    return message.rating
