"""The door to a shop's data: events, products and stores from CSV and Parquet files.

``docs/data.md`` is the user's side of it: the columns, what is forgiven and what is not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from types import MappingProxyType
from typing import Final

import polars as pl

from training.people import collected_until, known_shoppers
from training.quarantine import count_reasons
from training.reading import raw
from training.repeats import FILE, n_alike, once_by_id, with_file
from training.returns import net_returns
from training.schema import CUSTOMERS, EVENTS, PRODUCTS, PURCHASE, STORES
from training.tables import Checked, Options, read_table
from training.trial import Trial

MAX_QUARANTINED_SHARE: Final = 0.05

_AS_NAMED: Final[Mapping[str, str]] = MappingProxyType({})
_ATTRIBUTE_PREFIXES: Final = ("attributes.", "attribute_")


@dataclass(frozen=True, slots=True)
class InputReport:
    """What became of the rows of an input.

    ``n_rows == n_used + n_quarantined + n_duplicates``.

    Attributes:
        n_rows: rows in the files, blank lines apart.
        n_used: rows that could be used, returns among them.
        n_quarantined: rows that could not.
        reasons: reason -> quarantined rows, the most frequent first.
        n_returns: returns among the events.
        n_returns_unmatched: those that had no purchase to undo.
        quarantine_path: the file of the quarantined rows, None if it was not written.
        digest: SHA-256 of the files' bytes, in the order of their names.
        time_min: the earliest event, returns netted; None where there are no times.
        time_max: the latest.
        n_duplicates: products or stores that a later row replaced, and events whose ``event_id``
            was there before.
        n_alike: purchases and returns without one that an earlier file has as often, alike in
            everything; they are used.
        collected: for each partition of shoppers its latest collected event, unix milliseconds.
        ignored: the files' columns that are of no use.
    """

    n_rows: int
    n_used: int
    n_quarantined: int
    reasons: dict[str, int]
    n_returns: int
    n_returns_unmatched: int
    quarantine_path: str | None
    digest: str
    time_min: datetime | None
    time_max: datetime | None
    n_duplicates: int = 0
    n_alike: int = 0
    collected: Mapping[int, int] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def read_events(  # options of one door, by keyword
    paths: Sequence[Path],
    *,
    mapping: Mapping[str, str] = _AS_NAMED,
    timezone: str = "UTC",
    quarantine: Path | None = None,
    max_quarantined_share: float = MAX_QUARANTINED_SHARE,
    trial: Trial | None = None,
    now: datetime | None = None,
) -> tuple[pl.DataFrame, InputReport]:
    """Read, check and net purchases and other events.

    Args:
        paths: files, and folders of them.
        mapping: canonical column name -> the files' own.
        timezone: IANA name of the zone in which naive times are.
        quarantine: where rows that cannot be used are written.
        max_quarantined_share: more of them than this, 0 to 1, is an error.
        now: times more than a day later are impossible; the clock's time unless given.
        trial: reads Parquet before it is read here; one of its own unless given.

    Returns:
        One row an event, sorted by ``event_time, customer_id, product_id`` (equal ones in
        file order), with all columns of ``schema.EVENTS`` but ``event_id``: text, Float64, and
        Datetime in microseconds UTC. Never null are the two ids, ``event_type`` and ``quantity``.
        Returns are netted: no RETURN is left, quantities are above 0. What visitors did is their
        customers', or left out. And the report.

    Raises:
        InputError: an option, a file or a column is unusable, or too many rows are.
    """
    options = _options(mapping, timezone, quarantine, max_quarantined_share, trial, now)
    checked = read_table(EVENTS, paths, options)
    every = with_file(checked).with_columns(
        pl.col("event_type").fill_null(PURCHASE), pl.col("quantity").fill_null(1.0)
    )
    once = once_by_id(every)
    rows = once.drop(FILE, "event_id")
    events, n_returns, n_unmatched = net_returns(
        known_shoppers(rows).sort("event_time", "customer_id", "product_id", maintain_order=True)
    )
    time_min, time_max = events.select(
        pl.col("event_time").min().alias("min"), pl.col("event_time").max().alias("max")
    ).row(0)
    report = _report(checked, options, n_duplicates=every.height - once.height)
    return events, replace(
        report,
        n_alike=n_alike(once),
        n_returns=n_returns,
        n_returns_unmatched=n_unmatched,
        time_min=time_min,
        time_max=time_max,
        collected=collected_until(rows),
    )


def read_products(
    path: Path,
    *,
    mapping: Mapping[str, str] = _AS_NAMED,
    timezone: str = "UTC",
    quarantine: Path | None = None,
    max_quarantined_share: float = MAX_QUARANTINED_SHARE,
    trial: Trial | None = None,
) -> tuple[pl.DataFrame, InputReport]:
    """Read and check products; arguments and errors are those of ``read_events``.

    Returns:
        One row a product, sorted by ``product_id``; the last row of a product counts.
        The columns of ``schema.PRODUCTS``, and ``attributes``: a JSON object of strings,
        keys in order, of all other columns that the row has a value in. A product with a row that
        cannot be used is sensitive, where the file has that column: the row may have said so.
    """
    options = _options(mapping, timezone, quarantine, max_quarantined_share, trial)
    checked = read_table(PRODUCTS, [path], options)
    products = _last_of_each(checked.rows, "product_id").with_columns(
        pl.col("category_path").str.replace_all(r"\s*>\s*", " > ")
    )
    attributes = _attributes(products, checked.other_names)
    described = products.select(*PRODUCTS.names, attributes.alias("attributes"))
    return (
        _with_unusable(described, checked.unusable),
        _report(checked, options, n_duplicates=checked.rows.height - products.height),
    )


def read_stores(
    path: Path,
    *,
    mapping: Mapping[str, str] = _AS_NAMED,
    quarantine: Path | None = None,
    max_quarantined_share: float = MAX_QUARANTINED_SHARE,
    trial: Trial | None = None,
) -> tuple[pl.DataFrame, InputReport]:
    """Read and check stores; arguments and errors are those of ``read_events``.

    Returns:
        One row a store with the columns of ``schema.STORES``, sorted by ``store_id``; the
        last row of a store counts.
    """
    options = _options(mapping, "UTC", quarantine, max_quarantined_share, trial)
    checked = read_table(STORES, [path], options)
    stores = _last_of_each(checked.rows, "store_id")
    return stores, _report(checked, options, n_duplicates=checked.rows.height - stores.height)


def read_customers(
    path: Path,
    *,
    quarantine: Path | None = None,
    max_quarantined_share: float = MAX_QUARANTINED_SHARE,
    trial: Trial | None = None,
) -> pl.DataFrame:
    """Read whom to make lists for, and where each of them is; errors as ``read_events``.

    Returns:
        The distinct rows in their order with the columns of ``schema.CUSTOMERS``; other
        columns, such as those of a file of purchases, are ignored.
    """
    options = _options(_AS_NAMED, "UTC", quarantine, max_quarantined_share, trial)
    return read_table(CUSTOMERS, [path], options).rows.unique(maintain_order=True)


def _options(
    mapping: Mapping[str, str],
    timezone: str,
    quarantine: Path | None,
    max_quarantined_share: float,
    trial: Trial | None,
    now: datetime | None = None,
) -> Options:
    now = now or datetime.now(UTC)
    return Options(mapping, timezone, now, quarantine, max_quarantined_share, trial)


def _report(checked: Checked, options: Options, *, n_duplicates: int = 0) -> InputReport:
    n_quarantined = checked.rejected.height
    return InputReport(
        n_rows=checked.n_rows,
        n_used=checked.rows.height - n_duplicates,
        n_quarantined=n_quarantined,
        reasons=count_reasons(checked.rejected),
        n_returns=0,
        n_returns_unmatched=0,
        quarantine_path=str(options.quarantine) if options.quarantine and n_quarantined else None,
        digest=checked.digest,
        time_min=None,
        time_max=None,
        n_duplicates=n_duplicates,
        ignored=checked.ignored,
    )


def _last_of_each(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    return rows.unique(key, keep="last", maintain_order=True).sort(key)


def _with_unusable(products: pl.DataFrame, unusable: pl.DataFrame) -> pl.DataFrame:
    """Call products sensitive whose rows cannot be used: they may be bought, and so learnt.

    Whatever such a row says: with a field too many, ``no`` may be another column's.
    """
    if "sensitive" not in unusable.columns:
        return products
    hidden = unusable.select("product_id", hidden=True).drop_nulls().unique()
    return (
        products.join(hidden, on="product_id", how="full", coalesce=True)
        .with_columns(
            pl.coalesce("hidden", "sensitive").alias("sensitive"),
            pl.col("attributes").fill_null("{}"),
        )
        .drop("hidden")
        .sort("product_id")
    )


def _attributes(products: pl.DataFrame, other_names: Sequence[str]) -> pl.Series:
    """Write the other columns' values of each product as a canonical JSON object."""
    names = [_attribute_name(name) for name in other_names]
    columns = [products[raw(name)].to_list() for name in other_names]
    rows = zip(*columns, strict=True) if columns else repeat((), products.height)
    encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
    objects = (
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in rows
    )
    return pl.Series([encode(each) for each in objects], dtype=pl.String)


def _attribute_name(column: str) -> str:
    for prefix in _ATTRIBUTE_PREFIXES:
        if column.startswith(prefix) and column != prefix:
            return column.removeprefix(prefix)
    return column
