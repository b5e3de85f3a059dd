"""A file of events, sent to a server: resumable, and safe to send again."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

from recsvc.errors import InputError
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as api

BATCH = 500
_NANOS = 1_000_000_000
_KINDS = ".csv or .jsonl"

Row = Mapping[str, Any]
Send = Callable[[api.IngestEventsRequest], api.IngestEventsResponse]


@dataclass(slots=True)
class Sent:
    """What came of a file.

    Attributes:
        n_rows: rows sent, those of an earlier run left out.
        n_skipped: rows that an earlier run had sent.
        outcomes: outcome -> rows.
        first_rejected: line and reason of the first row that was rejected, ``""`` if none was.
    """

    n_rows: int = 0
    n_skipped: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    first_rejected: str = ""


def ingest(
    path: Path,
    send: Send,
    *,
    durable: bool,
    tick: Callable[[int], object] = lambda _: None,
) -> Sent:
    """Send a file, in batches, one product a row.

    How far it came is kept beside the file, in ``.NAME.sent``, until all of it was sent: the same
    call goes on there. A row without an ``event_id`` gets one from its content and line, so that
    rows that are sent twice are known as duplicates.

    Args:
        path: ``.csv`` with a header, or ``.jsonl`` with one object a line; the columns are those of
            the trainer's events.
        send: sends a request: ``client.ingest_events.send``.
        durable: acknowledge only what is on the server's disk.
        tick: told how many rows were sent.

    Raises:
        InputError: the file cannot be read as one of these.
        RecsvcError: the server refuses, or cannot be reached; run it again.
    """
    marker = path.with_name(f".{path.name}.sent")
    sent = Sent(n_skipped=_position(marker, path))
    rows = islice(_rows(path), sent.n_skipped, None)
    number = sent.n_skipped
    while batch := list(islice(rows, BATCH)):
        events = [_event(path, number + n, row) for n, row in enumerate(batch, start=1)]
        response = send(api.IngestEventsRequest(events=events, durable=durable))
        for n, result in enumerate(response.results, start=1):
            name = api.EventOutcome.Name(result.outcome).removeprefix("EVENT_OUTCOME_")
            sent.outcomes[name] += 1
            if result.HasField("status") and not sent.first_rejected:
                sent.first_rejected = f"row {number + n}: {result.status.message}"
        number += len(batch)
        sent.n_rows += len(batch)
        _remember(marker, path, number)
        tick(len(batch))
    marker.unlink(missing_ok=True)
    return sent


def count_rows(path: Path) -> int:
    """How many rows a file has."""
    return sum(1 for _ in _rows(path))


def _rows(path: Path) -> Iterator[Row]:
    try:
        # Spreadsheets begin a file with a byte order mark.
        with path.open(encoding="utf-8-sig", newline="") as file:
            match path.suffix.lower():
                case ".csv":
                    yield from csv.DictReader(file)
                case ".jsonl" | ".ndjson":
                    yield from (json.loads(line) for line in file if line.strip())
                case _:
                    raise InputError(f"{path}: unknown kind of file; give a {_KINDS} file")
    except (OSError, csv.Error, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as events ({error})") from error


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def _position(marker: Path, path: Path) -> int:
    """Rows that an earlier run has sent; 0 where the file was changed since."""
    try:
        stamp, _, number = marker.read_text(encoding="ascii").partition(" ")
    except OSError:
        return 0
    return int(number) if stamp == _stamp(path) and number.isdigit() else 0


def _remember(marker: Path, path: Path, number: int) -> None:
    staged = marker.with_name(marker.name + ".new")
    try:
        staged.write_text(f"{_stamp(path)} {number}", encoding="ascii")
        staged.replace(marker)
    except OSError as error:
        raise InputError(
            f"{marker}: cannot be written ({error}), and says how far {path.name} was sent; "
            "put the file into a folder where you may write, and send it again"
        ) from error


def _event(path: Path, number: int, row: Row) -> api.Event:
    """The event of a row; what cannot be read as its kind is an error that names the row."""
    try:
        if None in row:  # so a reader of CSV names what is beyond the header
            raise ValueError("it has more fields than the header")  # noqa: TRY301  # told like the others
        given = {name: value for name, value in row.items() if value is not None and value != ""}
        return _message(number, given)
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{path}: row {number} cannot be read ({error})") from error


def _message(number: int, row: Row) -> api.Event:
    text = json.dumps(row, sort_keys=True, default=str)
    digest = blake2b(f"{number}|{text}".encode(), digest_size=16).hexdigest()
    kind = str(row.get("event_type", "PURCHASE")).strip().upper()
    quantity = float(row.get("quantity", 1))
    if kind == "PURCHASE" and quantity < 0:  # as files of purchases write what comes back
        kind, quantity = "RETURN", -quantity
    event = api.Event(
        event_id=str(row.get("event_id", digest)),
        type=f"EVENT_TYPE_{kind}",
        shopper=_shopper(row),
        items=[
            common.LineItem(
                product_id=str(row.get("product_id", "")),
                quantity=quantity,
                unit_price=_money(row),
            )
        ],
        location=_location(row),
        channel=f"CHANNEL_{str(row.get('channel', 'UNSPECIFIED')).upper()}",
        placement_id=str(row.get("placement_id", "")),
        recommendation_id=str(row.get("recommendation_id", "")),
        order_id=str(row.get("order_id", "")),
        rating=float(row["rating"]) if "rating" in row else None,
    )
    if "event_time" in row:
        time = datetime.fromisoformat(str(row["event_time"]))
        event.event_time.FromDatetime(time if time.tzinfo else time.replace(tzinfo=UTC))
    return event


def _shopper(row: Row) -> common.Shopper:
    session_id = str(row.get("session_id", ""))
    if "customer_id" in row:
        return common.Shopper(customer_id=str(row["customer_id"]), session_id=session_id)
    return common.Shopper(visitor_id=str(row.get("visitor_id", "")), session_id=session_id)


def _money(row: Row) -> Money | None:
    if "unit_price" not in row:
        return None
    units, nanos = divmod(round(float(row["unit_price"]) * _NANOS), _NANOS)
    return Money(currency_code=str(row.get("currency", "")), units=units, nanos=nanos)


def _location(row: Row) -> common.Location:
    names = ("country_code", "subdivision_code", "postal_code", "store_id")
    point = None
    if "latitude" in row and "longitude" in row:
        point = LatLng(latitude=float(row["latitude"]), longitude=float(row["longitude"]))
    return common.Location(**{name: str(row.get(name, "")) for name in names}, lat_lng=point)
