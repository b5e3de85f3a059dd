"""How an event lies in the log: JSON with short names, which the trainer reads back."""

import json
from collections.abc import Mapping
from typing import Any

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.service.shopping import Event, Line, Link, Person, Shopper

_LINK = 0
"""In place of an act."""
_TEXTS = {
    "o": "order_id",
    "s": "session_id",
    "p": "placement_id",
    "n": "recommendation_id",
    "h": "channel",
}
_PLACE = {
    "store": "store_id",
    "postal": "postal_code",
    "cell": "cell",
    "sub": "subdivision_code",
    "country": "country_code",
}


def event_json(event: Event) -> bytes:
    """Write an event; :func:`read_entry` reads it back."""
    document: dict[str, Any] = {
        "id": event.event_id,
        "a": int(event.act),
        "t": event.time,
        event.shopper.kind.value: event.shopper.shopper_id,
        "k": event.shopper.key,
        "l": [_line(line) for line in event.lines],
    }
    place = {
        short: value for short, name in _PLACE.items() if (value := getattr(event.location, name))
    }
    if place:
        document["at"] = place
    document |= {short: value for short, name in _TEXTS.items() if (value := getattr(event, name))}
    if event.rating is not None:
        document["r"] = event.rating
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _line(line: Line) -> list[Any]:
    whole = [line.product_id, line.quantity, line.unit_price, line.currency]
    if line.unit_price is None:
        return whole[:2] if line.quantity != 1 else whole[:1]
    return whole


def link_json(link: Link) -> bytes:
    """Write a link; :func:`read_entry` reads it back."""
    document = {
        "a": _LINK,
        "t": link.time,
        Person.VISITOR.value: link.visitor.shopper_id,
        "vk": link.visitor.key,
        Person.CUSTOMER.value: link.customer.shopper_id,
        "k": link.customer.key,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def read_entry(text: bytes) -> Event | Link:
    """Read what :func:`event_json` or :func:`link_json` wrote.

    Raises:
        ValueError: it is neither.
    """
    try:
        document = json.loads(text)
        if document["a"] == _LINK:
            return Link(
                Shopper(Person.VISITOR, document[Person.VISITOR.value], document["vk"]),
                Shopper(Person.CUSTOMER, document[Person.CUSTOMER.value], document["k"]),
                float(document["t"]),
            )
        return _event(document)
    except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"no event of this version ({error!r})") from error


def _event(document: Mapping[str, Any]) -> Event:
    kind = Person.CUSTOMER if Person.CUSTOMER in document else Person.VISITOR
    place = {_PLACE[short]: value for short, value in document.get("at", {}).items()}
    return Event(
        event_id=document["id"],
        act=Act(document["a"]),
        shopper=Shopper(kind, document[kind.value], document["k"]),
        time=float(document["t"]),
        lines=tuple(Line(*line) for line in document["l"]),
        location=Location(**place),
        rating=document.get("r"),
        **{name: document.get(short, "") for short, name in _TEXTS.items()},
    )
