"""A file's rows as events, each read by itself: one that cannot be read is told, and no more."""

import csv
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Final

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

from recsvc.errors import InputError
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as api

_NANOS = 1_000_000_000
_KINDS = ".csv or .jsonl"
_MAX_EVENT_BYTES = 8_000
"""More than the longest ids of an event together; 500 of these fit into a request."""
_N_SHOWN: Final = 8

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a row is no event: the column and what is wrong, never the value."""

    reason: str


def read_events(path: Path, n_skipped: int = 0) -> Iterator[api.Event | Unreadable]:
    """Read the rows of a file, one product an event.

    A row without an ``event_id`` gets one from its content and number, so that rows that are
    sent twice are known as duplicates.

    Args:
        path: ``.csv`` with a header, or ``.jsonl`` with one object a line; the columns are those of
            the trainer's events.
        n_skipped: rows at the beginning that are left out, blank ones never counted.

    Raises:
        InputError: the file is none of these, or has no column for the shopper or the product.
    """
    rows = islice(enumerate(_rows(path), start=1), n_skipped, None)
    return (_read(number, row) for number, row in rows)


def count_rows(path: Path) -> int:
    """How many rows a file has, readable or not.

    Raises:
        InputError: as of ``read_events``.
    """
    return sum(1 for _ in _rows(path))


def check_readable(path: Path) -> None:
    """See that a file, unless it is empty, has a row that is an event.

    Raises:
        InputError: it has none, or is none of the files that ``read_events`` reads.
    """
    first = ""
    n_rows = 0
    for read in read_events(path):
        if not isinstance(read, Unreadable):
            return
        first = first or read.reason
        n_rows += 1
    if n_rows:
        raise InputError(
            f"{path}: cannot be read as events: none of its {n_rows:,} rows is one "
            f"(row 1: {first}); docs/data.md has the columns and what is written in them"
        )


def _rows(path: Path) -> Iterator[Row | str]:
    """The rows of a CSV as mappings, those of other files as lines."""
    try:
        # Spreadsheets begin a file with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            match path.suffix.lower():
                case ".csv":
                    reader = csv.DictReader(file)
                    _check_columns(path, reader.fieldnames)
                    # Spreadsheets end a file with lines of nothing but separators.
                    yield from (row for row in reader if any(row.values()))
                case ".jsonl" | ".ndjson":
                    yield from (line for line in file if line.strip())
                case _:
                    raise InputError(f"{path}: unknown kind of file; give a {_KINDS} file")
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as events ({error}); give a {_KINDS} file in UTF-8"
        ) from error


def _check_columns(path: Path, names: Sequence[str] | None) -> None:
    if names is None or not (missing := _missing(names)):
        return
    more = ", …" if len(names) > _N_SHOWN else ""
    raise InputError(
        f"{path}: cannot be read as events: it has no column {missing}, but "
        f"{', '.join(map(repr, names[:_N_SHOWN]))}{more}; name the columns as docs/data.md does, "
        "with commas between them"
    )


def _missing(names: Container[str]) -> str:
    """What is needed and not among ``names``; ``""`` if nothing is."""
    if "product_id" not in names:
        return "product_id"
    if "customer_id" not in names and "visitor_id" not in names:
        return "customer_id or visitor_id"
    return ""


def _read(number: int, row: Row | str) -> api.Event | Unreadable:
    try:
        event = _event(number, _fields(row))
    except json.JSONDecodeError as error:
        return Unreadable(f"is no JSON ({error.msg})")
    except RecursionError:
        return Unreadable("is nested too deeply")
    except (ValueError, TypeError) as error:
        return Unreadable(str(error))
    if event.ByteSize() > _MAX_EVENT_BYTES:  # it would be in the way of the others of its request
        return Unreadable(f"is larger than an event may be ({_MAX_EVENT_BYTES:,} bytes)")
    return event


def _fields(row: Row | str) -> Row:
    """What a row says, under the names of columns, without what is empty."""
    given = json.loads(row) if isinstance(row, str) else row
    if not isinstance(given, dict):
        raise TypeError("is no JSON object")
    if None in given:  # so a reader of CSV names what is beyond the header
        raise ValueError("has more fields than the header")
    if missing := _missing(given):
        raise ValueError(f"has no {missing}")
    return {name: value for name, value in given.items() if value is not None and value != ""}


def _event(number: int, row: Row) -> api.Event:
    text = json.dumps(row, sort_keys=True)
    digest = blake2b(f"{number}|{text}".encode(), digest_size=16).hexdigest()
    kind = str(row.get("event_type", "PURCHASE")).strip().upper()
    quantity = _number(row, "quantity") if "quantity" in row else 1.0
    if kind == "PURCHASE" and quantity < 0:  # as files of purchases write what comes back
        kind, quantity = "RETURN", -quantity
    channel = str(row.get("channel", "UNSPECIFIED")).strip().upper()
    return api.Event(
        event_id=_text(row, "event_id") or digest,
        type=_choice("event_type", api.EventType, f"EVENT_TYPE_{kind}"),  # type: ignore[arg-type]  # an int to protobuf's stubs
        shopper=_shopper(row),
        items=[
            common.LineItem(
                product_id=_text(row, "product_id"),
                quantity=quantity,
                unit_price=_money(row),
            )
        ],
        location=_location(row),
        channel=_choice("channel", common.Channel, f"CHANNEL_{channel}"),  # type: ignore[arg-type]  # an int to protobuf's stubs
        placement_id=_text(row, "placement_id"),
        recommendation_id=_text(row, "recommendation_id"),
        order_id=_text(row, "order_id"),
        rating=_number(row, "rating") if "rating" in row else None,
        event_time=_time(row),
    )


def _text(row: Row, name: str) -> str:
    value = row.get(name, "")
    if isinstance(value, (dict, list)):  # as JSON may have it
        raise TypeError(f"{name}: is no text")
    return str(value)


def _number(row: Row, name: str) -> float:
    try:
        return float(row[name])
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"{name}: is no number") from None


def _choice(name: str, choices: EnumTypeWrapper, label: str) -> int:
    try:
        return choices.Value(label)
    except ValueError:
        raise ValueError(f"{name}: is none of those that there are") from None


def _time(row: Row) -> Timestamp | None:
    if "event_time" not in row:
        return None
    message = Timestamp()
    try:
        time = datetime.fromisoformat(str(row["event_time"]))
        message.FromDatetime(time if time.tzinfo else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ValueError("event_time: is no ISO 8601 time, as 2025-03-01T10:00:00Z") from None
    return message


def _shopper(row: Row) -> common.Shopper:
    session_id = _text(row, "session_id")
    if "customer_id" in row:
        return common.Shopper(customer_id=_text(row, "customer_id"), session_id=session_id)
    return common.Shopper(visitor_id=_text(row, "visitor_id"), session_id=session_id)


def _money(row: Row) -> Money | None:
    if "unit_price" not in row:
        return None
    currency = _text(row, "currency")
    try:
        units, nanos = divmod(round(_number(row, "unit_price") * _NANOS), _NANOS)
        return Money(currency_code=currency, units=units, nanos=nanos)
    except (ValueError, OverflowError):
        raise ValueError("unit_price: is no price") from None


def _location(row: Row) -> common.Location:
    names = ("country_code", "subdivision_code", "postal_code", "store_id")
    point = None
    if "latitude" in row and "longitude" in row:
        point = LatLng(latitude=_number(row, "latitude"), longitude=_number(row, "longitude"))
    return common.Location(**{name: _text(row, name) for name in names}, lat_lng=point)
