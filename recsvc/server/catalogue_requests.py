"""Products, stores and stock as callers send them into those of the service, each by itself."""

import zoneinfo
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Product, canonical_path
from recsvc.errors import InvalidRequestError
from recsvc.server.fields import (
    CLOCK_TOLERANCE_SECONDS,
    MAX_ENTRIES,
    MAX_ID_BYTES,
    MAX_PATH_BYTES,
    check_count,
    check_id,
    check_text,
    read_location,
    read_price,
)
from recsvc.service.selling import Shop, StockRecord
from recsvc.v1 import catalog_pb2 as catalog
from recsvc.v1 import common_pb2 as common

MAX_BATCH = 1_000
MAX_TEXT_BYTES = 1_000
MAX_URI_BYTES = 2_000
MAX_QUANTITY = 1e12

_MICROS = 1_000_000
_LAST_SECOND = 0xFFFF_FFFF

_T = TypeVar("_T")


def read_entries(
    messages: Sequence[Any],
    read: Callable[[Any], _T],
    field: str,
    name: Callable[[_T], object],
) -> list[_T | InvalidRequestError]:
    """Read each entry of a batch, or say what is wrong with it.

    Args:
        messages: the entries.
        read: reads one.
        field: what two entries may not share: the second is refused.
        name: of an entry that was read.
    """
    found: list[_T | InvalidRequestError] = []
    seen = set()
    for message in messages:
        try:
            one = read(message)
            if name(one) in seen:
                raise InvalidRequestError(field, "is in this batch twice; the first one is taken")  # noqa: TRY301  # told like what read() finds
            seen.add(name(one))
            found.append(one)
        except InvalidRequestError as error:
            found.append(error)
    return found


def read_product(message: catalog.Product) -> Product:
    """Read one product.

    Raises:
        InvalidRequestError: a field is missing or outside its limits.
    """
    available_from = _second(message, "available_from", ALWAYS_FROM)
    available_to = _second(message, "available_to", ALWAYS_TO)
    if available_from >= available_to:
        raise InvalidRequestError("available_to", "is not after available_from")
    check_count("titles", len(message.titles), MAX_ENTRIES)
    check_count("attributes", len(message.attributes), MAX_ENTRIES)
    price = read_price("price", message.price) if message.HasField("price") else None
    path = check_text("category_path", message.category_path, MAX_PATH_BYTES)
    return Product(
        product_id=check_id("product_id", message.product_id, required=True),
        title=check_text("title", message.title, MAX_TEXT_BYTES),
        category_path=canonical_path(path),
        brand=check_id("brand", message.brand).strip(),
        price=float("nan") if price is None else price,
        currency="" if price is None else message.price.currency_code,
        available_from=available_from,
        available_to=available_to,
        group_id=check_id("group_id", message.group_id),
        titles={
            check_id("titles", language): check_text("titles", title, MAX_TEXT_BYTES)
            for language, title in message.titles.items()
        },
        attributes={
            check_id("attributes", name): _values(name, values)
            for name, values in message.attributes.items()
        },
        uri=check_text("uri", message.uri, MAX_URI_BYTES),
        image_uri=check_text("image_uri", message.image_uri, MAX_URI_BYTES),
        is_sensitive=message.sensitive,
    )


def read_store(message: catalog.Store) -> Shop:
    """Read one store.

    Raises:
        InvalidRequestError: a field is missing or outside its limits.
    """
    check_id("store_id", message.store_id, required=True)
    if message.store_id != message.store_id.strip():
        raise InvalidRequestError("store_id", "begins or ends with a space")
    has_point = message.HasField("lat_lng")
    given = common.Location(
        store_id=message.store_id,
        postal_code=message.postal_code,
        subdivision_code=message.subdivision_code,
        country_code=message.country_code,
        lat_lng=message.lat_lng if has_point else None,
    )
    return Shop(
        name=check_text("name", message.name, MAX_TEXT_BYTES),
        location=read_location("", given),
        latitude=message.lat_lng.latitude if has_point else None,
        longitude=message.lat_lng.longitude if has_point else None,
        time_zone=_time_zone(message.time_zone),
    )


def read_inventory_key(message: catalog.InventoryKey) -> tuple[str, str]:
    """Read which store and which product.

    Raises:
        InvalidRequestError: a field is missing or outside its limits.
    """
    product_id = check_id("key.product_id", message.product_id, required=True)
    return check_id("key.store_id", message.store_id).strip(), product_id


def read_inventory(message: catalog.InventoryRecord, now: float) -> tuple[str, StockRecord]:
    """Read the store of one record, and the rest of it.

    Args:
        message: as sent.
        now: unix seconds.

    Raises:
        InvalidRequestError: a field is missing or outside its limits.
    """
    store_id, product_id = read_inventory_key(message.key)
    quantity = message.quantity if message.HasField("quantity") else None
    # Written so that NaN fails too.
    if quantity is not None and not 0 <= quantity <= MAX_QUANTITY:
        raise InvalidRequestError("quantity", f"must be from 0 to {MAX_QUANTITY:.0e}")
    if message.availability not in catalog.Availability.values():
        raise InvalidRequestError("availability", "is no availability; give one of Availability")
    is_in_stock = {
        catalog.AVAILABILITY_IN_STOCK: True,
        catalog.AVAILABILITY_OUT_OF_STOCK: False,
    }.get(message.availability, None if quantity is None else quantity > 0)
    price = read_price("price", message.price) if message.HasField("price") else None
    return store_id, StockRecord(
        product_id=product_id,
        is_in_stock=is_in_stock,
        quantity=quantity,
        price=price,
        currency="" if price is None else message.price.currency_code,
        effective=_effective(message, now),
    )


def _effective(message: catalog.InventoryRecord, now: float) -> int:
    if not message.HasField("effective_time"):
        raise InvalidRequestError("effective_time", "is required: when this was true")
    micros = _checked("effective_time", message.effective_time).ToMicroseconds()
    if micros / _MICROS > now + CLOCK_TOLERANCE_SECONDS:
        raise InvalidRequestError(
            "effective_time", "is more than a day in the future; check the clock that wrote it"
        )
    return max(1, micros)


def _second(message: catalog.Product, field: str, default: int) -> int:
    if not message.HasField(field):
        return default
    return _checked(field, getattr(message, field)).ToMicroseconds() // _MICROS


def _checked(field: str, time: Timestamp) -> Timestamp:
    if not (0 <= time.seconds <= _LAST_SECOND and 0 <= time.nanos < 1_000 * _MICROS):
        raise InvalidRequestError(field, "is no time from 1970 to 2106")
    return time


def _values(name: str, values: common.AttributeValues) -> tuple[str, ...]:
    path = f"attributes[{name[:40]!r}]"
    check_count(path, len(values.values), MAX_ENTRIES)
    return tuple(check_text(path, value, MAX_ID_BYTES) for value in values.values)


def _time_zone(name: str) -> str:
    if name:
        check_id("time_zone", name)
        try:
            zoneinfo.ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:  # no such name, or no name of a file
            raise InvalidRequestError(
                "time_zone", f"{name[:40]!r} is no time zone; give one such as Europe/Berlin"
            ) from error
    return name
