"""Served lists as files: drained as events are, kept for a set time, read for replay and reports.

They lie in a folder of their own, ``_served`` in that of the history: whoever reads a history
passes over what begins so.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from recsvc.artifacts.registry import Registry
from recsvc.errors import InputError
from recsvc.service.ports import ServedLists
from recsvc.service.served import ServedList
from recsvc.store.served_format import pack, unpack
from recsvc.store.streams import Logged
from training.drain import FILES, Collected, DrainableLog, Layout, alone, drain, received, rewrite
from training.people import Said
from training.reading import readable

FOLDER: Final = "_served"
"""Of served lists, in the folder of the history."""

KEPT_DAYS: Final = 90

FILE_LISTS: Final = 50_000

_SCHEMA: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = MappingProxyType(
    {
        "recommendation_id": pl.String,
        "served_time": pl.Datetime("us", "UTC"),
        "surface": pl.String,
        "customer_id": pl.String,
        "visitor_id": pl.String,
        "shopper": pl.String,
        "store_id": pl.String,
        "country_code": pl.String,
        "channel": pl.String,
        "product_ids": pl.List(pl.String),
        "version_id": pl.String,
        "rules_version_id": pl.String,
        "experiment_id": pl.String,
        "variant_id": pl.String,
        "record": pl.Binary,
        "partition": pl.Int64,
        "received": pl.Int64,
    }
)

_RECORD: Final = pl.col("recommendation_id", "record")


def collect_served(
    log: DrainableLog[ServedList | None], folder: Path, tick: Callable[[], object] = lambda: None
) -> Collected:
    """Drain served lists into a folder, as :func:`training.drain.drain` does.

    Args:
        log: the service's.
        folder: of the lists; made where it is missing.
        tick: called after each page.
    """
    return drain(log, folder, Layout(_SCHEMA, _rows, FILE_LISTS), tick)


def forget_older(folder: Path, days: float, now: datetime) -> int:
    """Leave out what was served longer ago than ``days``, and files that hold nothing any more.

    The newest file stays in any case: it says how far the lists were drained.

    Returns:
        How many lists were left out.

    Raises:
        PreconditionError: a collection is under way.
    """
    since = now - timedelta(days=days)
    n_forgotten = 0
    with alone(folder):
        files = sorted(folder.glob(FILES))
        for path in files:
            with readable(path):
                rows = pl.read_parquet(path)
            kept = rows.filter(pl.col("served_time") >= since)
            n_forgotten += rows.height - kept.height
            if kept.is_empty() and path != files[-1]:
                path.unlink()
            elif kept.height < rows.height:
                rewrite(path, kept)
    return n_forgotten


class ServedFiles:
    """Served lists that were collected, but for those of who was erased since.

    Args:
        folder: of the lists.
        registry: whose ledger says who was erased, purged from the files or not yet.

    Raises:
        InputError: there is no such folder, or its files are no served lists.
    """

    def __init__(self, folder: Path, registry: Registry) -> None:
        files = sorted(folder.glob(FILES))
        if not files:
            raise InputError(
                f"{folder}: holds no served lists; recsvc-train collect writes them to "
                f"{FOLDER} in the folder that --into names"
            )
        for path in files:
            with readable(path):
                missing = _SCHEMA.keys() - pl.read_parquet_schema(path).keys()
            if missing:
                raise InputError(
                    f"{path}: lacks {', '.join(sorted(missing))}, and so holds no served lists; "
                    f"give the folder {FOLDER} that recsvc-train collect has written"
                )
        entries, _ = registry.ledger.read(0)
        self._said = Said.of(entries)
        erased = self._said.erased
        self._erased = pl.LazyFrame(
            {"shopper": list(erased), "until": [one.until for one in erased.values()]},
            schema={"shopper": pl.String, "until": pl.Int64},
        )
        self._files = files

    def find(self, recommendation_id: str) -> ServedList | None:
        """Return a list by its name, None where it is not there.

        Raises:
            InputError: the list is damaged, or of another version.
        """
        is_named = pl.col("recommendation_id") == recommendation_id
        named = (self._left(path, _RECORD, is_named) for path in self._files)
        return next(chain.from_iterable(map(_lists, named)), None)

    def every(self) -> Iterator[ServedList]:
        """Every list, in the order in which they were collected.

        Raises:
            InputError: a list is damaged, or of another version.
        """
        for path in self._files:  # one at a time: together they may be more than memory holds
            yield from _lists(self._left(path, _RECORD))

    def rows(self) -> pl.DataFrame:
        """What reports need of every list, but for those of who has withdrawn consent since."""
        rows = pl.concat(self._left(path, pl.exclude("record")) for path in self._files)
        people = rows.select("shopper", pl.col("visitor_id").is_not_null()).unique().drop_nulls()
        silent = [
            person
            for person, is_visitor in people.iter_rows()
            if not (self._said.allows_visitor if is_visitor else self._said.allows)(person)
        ]
        # A visitor and a customer never have the same hash.
        return rows.filter(~pl.col("shopper").is_in(silent).fill_null(value=False))

    def _left(self, path: Path, columns: pl.Expr, *which: pl.Expr) -> pl.DataFrame:
        """Columns of the rows of a file that nobody has had erased since, purged or not."""
        rows = (
            pl.scan_parquet(path, glob=False)
            .join(self._erased, on="shopper", how="left", maintain_order="left")
            .filter(pl.col("until").is_null() | (pl.col("received") > pl.col("until")), *which)
            .drop("until")
            .select(columns)
        )
        with readable(path):
            return rows.collect()


class Kept:
    """Served lists wherever they are kept: in the service's store, and in files.

    Args:
        store: the service's.
        files: what was collected from it, if anything.
    """

    def __init__(self, store: ServedLists, files: ServedFiles | None) -> None:
        self._store = store
        self._files = files

    def find(self, recommendation_id: str) -> ServedList | None:
        """Return a list by its name, None where neither has it."""
        found = self._store.find(recommendation_id)
        if found is None and self._files is not None:
            return self._files.find(recommendation_id)
        return found

    def every(self) -> Iterator[ServedList]:
        """Every list, once."""
        live = set()
        for served in self._store.every():
            live.add(served.recommendation_id)
            yield served
        for served in self._files.every() if self._files is not None else ():
            if served.recommendation_id not in live:
                yield served


def _rows(logged: Logged[ServedList | None]) -> Iterator[tuple[object, ...]]:
    """A row a list, as ``_SCHEMA`` has it; none for what was erased before it was collected."""
    served = logged.entry
    if served is None:
        return
    question = served.question
    row: dict[str, object] = {
        "recommendation_id": served.recommendation_id,
        "served_time": datetime.fromtimestamp(served.served_time, UTC),
        "surface": served.surface.name,
        "customer_id": question.customer_id or None,
        "visitor_id": question.visitor_id or None,
        "shopper": served.shopper or None,
        "store_id": question.location.store_id or None,
        "country_code": question.location.country_code or None,
        "channel": question.channel or None,
        "product_ids": list(served.product_ids),
        "version_id": served.version_id,
        "rules_version_id": served.rules_version_id or None,
        "experiment_id": served.experiment_id or None,
        "variant_id": served.variant_id or None,
        "record": pack(served),
        "partition": logged.partition,
        "received": received(logged),
    }
    yield tuple(row[name] for name in _SCHEMA)


def _lists(rows: pl.DataFrame) -> Iterator[ServedList]:
    for name, record in rows.iter_rows():
        try:
            yield unpack(record)
        except ValueError as error:
            raise InputError(f"{name}: {error}; leave --served out") from error
