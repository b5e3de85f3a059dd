"""The one schema of what comes in: the columns of each table and the rules of a usable row.

A rule is a name and an expression that is true for rows that break it; the name is the
reason that the quarantine file gives. They are a table of Polars expressions of our own.
dataframely is as fast, but casts by Polars' rules before it checks, so that the ids, dates
and "unreadable or merely empty" would have to be settled before it anyway; it names rules
after columns (``quantity|min``) where users need one plain reason a row.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeAlias

import polars as pl

from training.cells import Kind

PURCHASE: Final = "PURCHASE"
RETURN: Final = "RETURN"
LINK: Final = "LINK"
"""No event: what the service collected of visitors who turned out to be customers."""
EVENT_TYPES: Final = (
    PURCHASE,
    RETURN,
    "VIEW",
    "ADD_TO_CART",
    "REMOVE_FROM_CART",
    "IMPRESSION",
    "CLICK",
    "FEEDBACK",
    LINK,
)

MAX_ID_BYTES: Final = 256
# One row of 1e300 pieces would turn a whole model into NaN.
MAX_QUANTITY: Final = 1e9

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_TOLERANCE: Final = timedelta(days=1)

Rules: TypeAlias = Mapping[str, pl.Expr]
"""Reason -> what is wrong with such a row; the first that is true counts."""


@dataclass(frozen=True, slots=True)
class Column:
    """A canonical column."""

    name: str
    kind: Kind
    required: bool = False
    """Whether a file without it is refused."""
    in_all_or_none: bool = False
    """Whether a file without it is refused beside one that has it."""


@dataclass(frozen=True, slots=True)
class Table:
    """What one kind of input file holds."""

    name: str
    """As messages call it, and the option that takes it."""
    columns: tuple[Column, ...]
    rules: Callable[[datetime, Collection[str]], Rules]
    """Takes the time that is now and the canonical columns that the file has."""
    option: str | None = "--map"
    """What maps its columns; None where their names are fixed."""
    keeps_others: bool = False
    """Whether columns without a canonical name are kept, as text; else they are ignored."""

    @property
    def names(self) -> tuple[str, ...]:
        """The canonical column names, in order."""
        return tuple(column.name for column in self.columns)


def unreadable(name: str) -> str:
    """Name the Boolean column that says whether a cell of ``name`` held something unreadable."""
    return f"{name} is unreadable"


def _event_rules(now: datetime, present: Collection[str]) -> Rules:
    quantity = pl.col("quantity")
    event_type = pl.col("event_type")
    return MappingProxyType(
        {
            "no_customer": pl.col("customer_id").is_null() & pl.col("visitor_id").is_null(),
            "no_product": pl.col("product_id").is_null() & (event_type.fill_null(PURCHASE) != LINK),
            "too_long_id": _too_long(
                "customer_id",
                "visitor_id",
                "product_id",
                "order_id",
                "store_id",
                "subdivision_code",
                "postal_code",
            ),
            "unknown_event_type": ~event_type.is_in(EVENT_TYPES),
            "impossible_date": _impossible("event_time")
            | (pl.col("event_time") > now + _CLOCK_TOLERANCE),
            # A file may have no times at all; one that has them has one for each row.
            "no_event_time": pl.col("event_time").is_null() & pl.lit("event_time" in present),
            "unreadable_quantity": pl.col(unreadable("quantity")) | (quantity.abs() > MAX_QUANTITY),
            "zero_quantity": quantity == 0,
            # Of purchases and returns the sign has a meaning.
            "negative_quantity": (quantity < 0)
            & ~event_type.fill_null(PURCHASE).is_in((PURCHASE, RETURN)),
            **_price_rules("unit_price"),
            **_place_rules(),
        }
    )


def _product_rules(_now: datetime, _present: Collection[str]) -> Rules:
    return MappingProxyType(
        {
            "no_product": pl.col("product_id").is_null(),
            "too_long_id": _too_long("product_id", "group_id"),
            # Read as "no" it would be named to whoever looks over a shoulder.
            "unreadable_sensitive": pl.col(unreadable("sensitive")),
            "impossible_date": _impossible("available_from") | _impossible("available_to"),
            **_price_rules("price"),
        }
    )


def _store_rules(_now: datetime, _present: Collection[str]) -> Rules:
    return MappingProxyType(
        {
            "no_store": pl.col("store_id").is_null(),
            "too_long_id": _too_long("store_id", "subdivision_code", "postal_code"),
            **_place_rules(),
        }
    )


def _customer_rules(_now: datetime, _present: Collection[str]) -> Rules:
    return MappingProxyType(
        {
            "no_customer": pl.col("customer_id").is_null(),
            "too_long_id": _too_long("customer_id", "store_id", "subdivision_code", "postal_code"),
            **_place_rules(),
        }
    )


def _too_long(*names: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(*names).str.len_bytes() > MAX_ID_BYTES)


def _impossible(name: str) -> pl.Expr:
    return pl.col(unreadable(name)) | (pl.col(name) < _EPOCH)


def _price_rules(name: str) -> Rules:
    return {
        "unreadable_price": pl.col(unreadable(name)),
        "negative_price": pl.col(name) < 0,
    }


def _place_rules() -> Rules:
    latitude, longitude = pl.col("latitude"), pl.col("longitude")
    return {
        # The form, not the list of countries: codes come and go, and shops use XK.
        "invalid_country": ~pl.col("country_code").str.contains("^[A-Z]{2}$"),
        "invalid_latitude": pl.col(unreadable("latitude"))
        | (latitude.abs() > 90)  # noqa: PLR2004  # degrees
        | (latitude.is_null() & longitude.is_not_null()),
        "invalid_longitude": pl.col(unreadable("longitude"))
        | (longitude.abs() > 180)  # noqa: PLR2004  # degrees
        | (longitude.is_null() & latitude.is_not_null()),
    }


_PLACE: Final = (
    Column("country_code", Kind.CODE),
    Column("subdivision_code", Kind.CODE),
    Column("postal_code", Kind.IDENTIFIER),
    Column("latitude", Kind.NUMBER),
    Column("longitude", Kind.NUMBER),
)

EVENTS: Final = Table(
    name="events",
    columns=(
        Column("customer_id", Kind.IDENTIFIER, required=True),
        Column("product_id", Kind.IDENTIFIER, required=True),
        # Untimed rows beside timed ones would be the oldest, whenever they were.
        Column("event_time", Kind.TIME, in_all_or_none=True),
        Column("event_type", Kind.CODE),
        Column("quantity", Kind.NUMBER),
        Column("unit_price", Kind.NUMBER),
        Column("currency", Kind.CODE),
        Column("order_id", Kind.IDENTIFIER),
        Column("store_id", Kind.IDENTIFIER),
        *_PLACE,
        Column("channel", Kind.CODE),
        # What recsvc-train collect writes beside them.
        Column("visitor_id", Kind.IDENTIFIER),
        Column("partition", Kind.NUMBER),
        Column("received", Kind.NUMBER),
        # Tells events that are there again.
        Column("event_id", Kind.IDENTIFIER),
    ),
    rules=_event_rules,
)

PRODUCTS: Final = Table(
    name="products",
    columns=(
        Column("product_id", Kind.IDENTIFIER, required=True),
        Column("title", Kind.TEXT),
        Column("category_path", Kind.TEXT),
        Column("brand", Kind.TEXT),
        Column("price", Kind.NUMBER),
        Column("currency", Kind.CODE),
        Column("available_from", Kind.TIME),
        Column("available_to", Kind.TIME),
        Column("group_id", Kind.IDENTIFIER),
        Column("sensitive", Kind.FLAG),
    ),
    rules=_product_rules,
    option="--map-products",
    keeps_others=True,
)

STORES: Final = Table(
    name="stores",
    columns=(
        Column("store_id", Kind.IDENTIFIER, required=True),
        Column("name", Kind.TEXT),
        *_PLACE,
    ),
    rules=_store_rules,
    option="--map-stores",
)

CUSTOMERS: Final = Table(
    name="customers",
    columns=(
        Column("customer_id", Kind.IDENTIFIER, required=True),
        Column("store_id", Kind.IDENTIFIER),
        *_PLACE,
    ),
    rules=_customer_rules,
    option=None,
)
