"""Draining the service's event log into the history, each event exactly once."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from recsvc.core.cells import centre_of
from recsvc.service.shopping import Event, Link, Person
from recsvc.store.streams import Logged
from training.drain import Collected, DrainableLog, Layout, drain, received
from training.schema import LINK

FILE_EVENTS: Final = 500_000

_SCHEMA: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = MappingProxyType(
    {
        "event_id": pl.String,
        "customer_id": pl.String,
        "visitor_id": pl.String,
        "product_id": pl.String,
        "event_time": pl.Datetime("us", "UTC"),
        "event_type": pl.String,
        "quantity": pl.Float64,
        "unit_price": pl.Float64,
        "currency": pl.String,
        "order_id": pl.String,
        "store_id": pl.String,
        "country_code": pl.String,
        "subdivision_code": pl.String,
        "postal_code": pl.String,
        "latitude": pl.Float64,
        "longitude": pl.Float64,
        "channel": pl.String,
        "session_id": pl.String,
        "placement_id": pl.String,
        "recommendation_id": pl.String,
        "rating": pl.Float64,
        "partition": pl.Int64,
        "received": pl.Int64,
    }
)


def collect(
    log: DrainableLog[Event | Link], folder: Path, tick: Callable[[], object] = lambda: None
) -> Collected:
    """Drain the event log into the folder of a history, as :func:`training.drain.drain` does.

    Args:
        log: the service's.
        folder: of the history; made where it is missing.
        tick: called after each page.
    """
    return drain(log, folder, Layout(_SCHEMA, _rows, FILE_EVENTS), tick)


def _rows(logged: Logged[Event | Link]) -> Iterator[tuple[object, ...]]:
    """One row for each product of an event, and one for a link, as ``_SCHEMA`` has them."""
    entry, came = logged.entry, {"partition": logged.partition, "received": received(logged)}
    if isinstance(entry, Link):
        row: dict[str, object] = dict.fromkeys(_SCHEMA) | {
            "customer_id": entry.customer.shopper_id,
            "visitor_id": entry.visitor.shopper_id,
            "event_time": datetime.fromtimestamp(entry.time, UTC),
            "event_type": LINK,
        }
        yield tuple((row | came).values())
        return
    common = _event_columns(entry) | came
    for line in entry.lines:
        row = dict.fromkeys(_SCHEMA) | common
        row["product_id"] = line.product_id
        row["quantity"] = line.quantity
        row["unit_price"] = line.unit_price
        row["currency"] = line.currency or None
        yield tuple(row.values())


def _event_columns(event: Event) -> dict[str, object]:
    kind, place = event.shopper.kind, event.location
    latitude, longitude = centre_of(place.cell) if place.cell else (None, None)
    texts = {
        "order_id": event.order_id,
        "store_id": place.store_id,
        "country_code": place.country_code,
        "subdivision_code": place.subdivision_code,
        "postal_code": place.postal_code,
        "channel": event.channel,
        "session_id": event.session_id,
        "placement_id": event.placement_id,
        "recommendation_id": event.recommendation_id,
    }
    return {
        "event_id": event.event_id,
        "customer_id" if kind is Person.CUSTOMER else "visitor_id": event.shopper.shopper_id,
        "event_time": datetime.fromtimestamp(event.time, UTC),
        "event_type": event.act.name,
        "latitude": latitude,
        "longitude": longitude,
        "rating": event.rating,
        **{name: text or None for name, text in texts.items()},
    }
