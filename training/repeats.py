"""Rows that are there twice: exports that overlap would count twice what was done once."""

from typing import Final

import numpy as np
import polars as pl

from training.schema import PURCHASE, RETURN
from training.tables import Checked

FILE: Final = "file"
"""The number of the file that a row comes from."""

_LINE: Final = (
    "customer_id",
    "visitor_id",
    "event_type",
    "event_id",
    "product_id",
    "quantity",
    "unit_price",
)
"""What a line of an event is known again by; an event id is its shopper's own."""


def with_file(checked: Checked) -> pl.DataFrame:
    """The usable rows of a table, each with the number of its file in a column ``FILE``."""
    numbers = np.arange(len(checked.heights), dtype=np.uint32)
    return checked.rows.with_columns(pl.Series(FILE, np.repeat(numbers, checked.heights)))


def once_by_id(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without those whose event was there before, as its ``event_id`` tells.

    It tells one in another file, and in its own one where anything beside the line's own columns
    differs, such as the time. Rows of one file that are alike in everything are lines of one event,
    and all count: a row is a repetition only of one that stands as high among those of its file.

    Args:
        rows: with ``FILE`` and the columns of events.
    """
    has_id = pl.col("event_id").is_not_null()
    if rows["event_id"].null_count() == rows.height:
        return rows
    at = "row among all"
    numbered = rows.with_row_index(at)
    named = _numbered(numbered.filter(has_id), at)
    first = named.unique([*_LINE, "nth"], keep="first", maintain_order=True).drop("nth")
    return pl.concat([first, numbered.filter(~has_id)]).sort(at).drop(at)


def once_by_content(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without those that an earlier file has as often, alike in everything.

    Two such rows of one file are two pieces at a till.
    """
    counted = _numbered(rows)
    content = [name for name in counted.columns if name != FILE]
    return counted.unique(content, keep="first", maintain_order=True).drop("nth")


def n_alike(rows: pl.DataFrame) -> int:
    """How many purchases and returns without an ``event_id`` an earlier file has as often.

    By hashes: it is to be told, and nothing hangs on one more or less.
    """
    # Without times, who buys a thing every month is in every month's file with the same row.
    is_told = pl.col("event_type").is_in((PURCHASE, RETURN)) & pl.col("event_time").is_not_null()
    if rows[FILE].n_unique() < 2:  # noqa: PLR2004  # a file has no other to overlap with
        return 0
    plain = rows.filter(is_told & pl.col("event_id").is_null())
    hashed = plain.select(FILE, plain.drop(FILE).hash_rows().alias("hash"))
    counts = (
        hashed.filter(hashed["hash"].is_duplicated())  # most are not, and then need no counting
        .group_by("hash", FILE)
        .len()
        .group_by("hash")
        .agg((pl.col("len").sum() - pl.col("len").max()).alias("more"))
    )
    return int(counts["more"].sum())


def _numbered(rows: pl.DataFrame, *besides: str) -> pl.DataFrame:
    """Rows with a column ``nth``: which it is of those of its file that are alike in all others."""
    content = [name for name in rows.columns if name not in (FILE, *besides)]
    return rows.with_columns(nth=pl.int_range(pl.len()).over(FILE, *content))
