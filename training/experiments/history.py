"""The history of events as experiments read it: who did what, with the lists that are named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from training.cells import Kind
from training.people import linked
from training.quarantine import count_reasons
from training.repeats import FILE, once_by_content, once_by_id, with_file
from training.schema import EVENTS, LINK, PURCHASE, Column
from training.tables import Options, read_table

IMPRESSION: Final = "IMPRESSION"

_OWN: Final = {"event_time": Column("event_time", Kind.TIME, required=True)}
_HISTORY: Final = replace(
    EVENTS,
    columns=(
        *(_OWN.get(column.name, column) for column in EVENTS.columns),
        Column("recommendation_id", Kind.IDENTIFIER),
    ),
)
_TOLD: Final = ("AGENT", "CHAT")
"""Channels on which somebody chooses what to tell of a list: served is not seen there."""


@dataclass(frozen=True, slots=True)
class History:
    """Events, and what is not among them.

    Attributes:
        rows: one a product, the earliest first, with the columns of the files, ``shopper`` (of a
            customer and of a visitor never the same) and ``paid`` (null without a price).
        reasons: reason -> rows that cannot be used, the most frequent first.
        n_repeated: purchases that were there before, in another file or under the same event id.
        is_of_served: whether lists count as seen that were served, rather than those that
            IMPRESSION events name.
    """

    rows: pl.DataFrame
    reasons: Mapping[str, int]
    n_repeated: int
    is_of_served: bool


def read_history(  # options of one door, by keyword
    paths: Sequence[Path],
    *,
    mapping: Mapping[str, str],
    timezone: str,
    quarantine: Path | None,
    max_quarantined_share: float,
    lists: pl.DataFrame | None = None,
) -> History:
    """Read events with the lists that they name; arguments as ``events.read_events``.

    Args:
        paths: of the events.
        mapping: likewise.
        timezone: likewise.
        quarantine: likewise.
        max_quarantined_share: likewise.
        lists: that were served, as :meth:`training.served.ServedFiles.rows` gives them; each counts
            as seen, unless through an agent, and impressions are left aside. None goes by
            impressions.

    Raises:
        InputError: a file or column is unusable, or too many rows are.
    """
    options = Options(mapping, timezone, datetime.now(UTC), quarantine, max_quarantined_share)
    checked = read_table(_HISTORY, paths, options)
    every = with_file(checked).with_columns(pl.col("event_type").fill_null(PURCHASE))
    is_bought = pl.col("event_type") == PURCHASE
    bought = every.filter(is_bought)
    once = _once(bought)
    others = every.filter(~is_bought)
    if lists is not None:
        sent = others.filter(pl.col("event_type") != IMPRESSION)
        others = pl.concat([sent, _impressions(lists)], how="diagonal_relaxed")
    rows = linked(pl.concat([others, once]).drop(FILE))
    return History(
        rows.filter(pl.col("event_type") != LINK)
        .with_columns(
            pl.when(pl.col("customer_id").is_not_null())
            .then("c" + pl.col("customer_id"))
            .otherwise("v" + pl.col("visitor_id"))
            .alias("shopper"),
            (pl.col("quantity").fill_null(1.0) * pl.col("unit_price")).alias("paid"),
        )
        .sort("event_time"),
        count_reasons(checked.rejected),
        bought.height - once.height,
        lists is not None,
    )


def _impressions(lists: pl.DataFrame) -> pl.DataFrame:
    """What a caller would have sent of lists that somebody in particular was served."""
    is_somebody = pl.any_horizontal(pl.col("customer_id", "visitor_id").is_not_null())
    return (
        lists.filter(is_somebody & ~pl.col("channel").is_in(_TOLD).fill_null(value=False))
        .select(
            "customer_id",
            "visitor_id",
            "store_id",
            "country_code",
            "recommendation_id",
            pl.col("received").cast(pl.Float64),
            event_time="served_time",
            event_type=pl.lit(IMPRESSION),
            product_id="product_ids",
        )
        .explode("product_id")
        .filter(pl.col("product_id").is_not_null())
    )


def _once(bought: pl.DataFrame) -> pl.DataFrame:
    """Purchases without repetitions: files may overlap, and money would count twice."""
    has_id = pl.col("event_id").is_not_null()
    plain = once_by_content(bought.filter(~has_id))
    return pl.concat([once_by_id(bought.filter(has_id)), plain])
