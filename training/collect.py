"""Draining the service's event log into the history, each event exactly once.

The history is a folder of Parquet files, ``live-00000001.parquet`` and so on, each complete when it
has its name. Each says in its own metadata how far every stream has been drained once it is there;
the newest one is thus all that a run has to know. Only then are the streams trimmed. Killed
anywhere, a run leaves a file that nobody reads, or entries that the next run trims without reading.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

import polars as pl

from recsvc.artifacts.format import fsync_directory
from recsvc.core.cells import centre_of
from recsvc.errors import InputError, PreconditionError
from recsvc.identity import N_PARTITIONS
from recsvc.service.shopping import Event, Link, Person
from recsvc.store.event_log import Logged
from training.schema import LINK

SETTLED_MILLISECONDS: Final = 1_000
"""Entries younger than this are left for the next run: within one millisecond more may follow."""

PAGE: Final = 1_000
FILE_ROWS: Final = 500_000

_METADATA: Final = "recsvc.collected"
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


class DrainableLog(Protocol):
    """What a log must offer to be collected."""

    def read(self, partition: int, after: str, count: int) -> list[Logged]:
        """The next entries of a partition."""
        ...

    def trim(self, partition: int, until: str) -> None:
        """Forget entries up to a position, that one included."""
        ...

    def now(self) -> int:
        """The log's own time, unix milliseconds."""
        ...


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run has collected.

    Attributes:
        n_events: events and links.
        n_rows: rows that they became, one a product.
        files: the new files.
    """

    n_events: int
    n_rows: int
    files: tuple[Path, ...]


def collect(
    log: DrainableLog, folder: Path, tick: Callable[[], object] = lambda: None
) -> Collected:
    """Drain a log into a folder.

    Args:
        log: the service's.
        folder: of the history; made where it is missing.
        tick: called after each page.

    Raises:
        StoreUnavailableError: the log cannot be read; what was collected stays, run it again.
        PreconditionError: another run is under way.
        InputError: the newest file of the folder says nothing of how far it goes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for left in folder.glob(".live-*"):
            left.unlink()
        number, positions = _newest(folder)
        _trim(log, positions)  # what a run that was killed could not
        until = log.now() - SETTLED_MILLISECONDS
        n_events, n_rows, files = 0, 0, []
        batch: list[Logged] = []
        for entries in _pages(log, positions, until):
            batch += entries
            tick()
            if len(batch) >= FILE_ROWS:
                number, rows, path = _keep(log, folder, number, positions, batch)
                n_events, n_rows = n_events + len(batch), n_rows + rows
                files.append(path)
                batch = []
        if batch:
            _, rows, path = _keep(log, folder, number, positions, batch)
            n_events, n_rows = n_events + len(batch), n_rows + rows
            files.append(path)
    return Collected(n_events, n_rows, tuple(files))


def _pages(log: DrainableLog, positions: Mapping[int, str], until: int) -> Iterator[list[Logged]]:
    """All settled entries after ``positions``, some of one partition at a time."""
    for partition in range(N_PARTITIONS):
        after = positions.get(partition, "")
        while entries := log.read(partition, after, PAGE):
            settled = [entry for entry in entries if _milliseconds(entry.position) <= until]
            if settled:
                yield settled
                after = settled[-1].position
            if len(settled) < len(entries):
                break


def _keep(
    log: DrainableLog,
    folder: Path,
    number: int,
    positions: dict[int, str],
    batch: list[Logged],
) -> tuple[int, int, Path]:
    """Write entries down for good, then let the log forget them."""
    for entry in batch:
        positions[entry.partition] = entry.position
    rows = pl.DataFrame(
        [row for entry in batch for row in _rows(entry)], schema=dict(_SCHEMA), orient="row"
    )
    number += 1
    path = folder / f"live-{number:08}.parquet"
    staged = folder / f".{path.name}"
    rows.write_parquet(staged, metadata={_METADATA: json.dumps(positions)})
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    staged.rename(path)
    fsync_directory(folder)
    _trim(log, {entry.partition: positions[entry.partition] for entry in batch})
    return number, rows.height, path


def _trim(log: DrainableLog, positions: Mapping[int, str]) -> None:
    for partition, position in positions.items():
        log.trim(partition, position)


def _newest(folder: Path) -> tuple[int, dict[int, str]]:
    """Number of the newest file, and how far each stream has been drained."""
    files = sorted(folder.glob("live-*.parquet"))
    if not files:
        return 0, {}
    path = files[-1]
    try:
        metadata = pl.read_parquet_metadata(path)
        positions = json.loads(metadata[_METADATA])
        number = int(path.stem.removeprefix("live-"))
        return number, {int(partition): str(at) for partition, at in positions.items()}
    except (pl.exceptions.ComputeError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: does not say how far the log was collected; it was not written by "
            "recsvc-train collect, or is damaged: move it elsewhere"
        ) from error


def _milliseconds(position: str) -> int:
    return int(position.partition("-")[0])


def _rows(logged: Logged) -> Iterator[tuple[object, ...]]:
    """One row for each product of an event, and one for a link, as ``_SCHEMA`` has them."""
    received = _milliseconds(logged.position)
    entry = logged.entry
    if isinstance(entry, Link):
        row = dict.fromkeys(_SCHEMA) | {
            "customer_id": entry.customer.shopper_id,
            "visitor_id": entry.visitor.shopper_id,
            "event_time": datetime.fromtimestamp(entry.time, UTC),
            "event_type": LINK,
            "partition": logged.partition,
            "received": received,
        }
        yield tuple(row.values())
        return
    common = _event_columns(entry) | {"partition": logged.partition, "received": received}
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


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PreconditionError(
                f"{folder}: another recsvc-train collect is under way; wait for it"
            ) from None
        yield
