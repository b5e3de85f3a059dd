"""From purchases to dense indices and weights: what every model is fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.cells import cell_of
from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.live import MAX_QUANTITY_WEIGHT
from recsvc.core.places import PLACE_LEVELS, Level, Location
from recsvc.core.vocabulary import MISSING, Vocabulary

STRAY_SHARE = 0.005
"""Purchases before the start of the data, at most."""

MIN_REPEATS = 0.01
"""Share of the purchases that a customer has made before, where people buy again."""


@dataclass(frozen=True, slots=True)
class Locations:
    """The distinct places of purchase.

    Attributes:
        keys: for each level of :data:`PLACE_LEVELS` its places.
        indices: int32, shape ``(n_locations, 5)``: index at each level, MISSING if none.
        store_parents: int32, shape ``(n_stores, 5)``, as :class:`recsvc.core.places.Places`.
        store_names: name of each store, ``""`` unknown.
    """

    keys: tuple[Vocabulary, ...]
    indices: NDArray[np.int32]
    store_parents: NDArray[np.int32]
    store_names: list[str]


@dataclass(frozen=True, slots=True)
class Interactions:
    """Purchases in dense indices, one row a customer, product and order.

    Attributes:
        customers: the customers.
        items: the products.
        locations: where purchases were made.
        lines: columns ``customer, item, location`` (Int32; location into
            ``locations.indices``), ``time`` (Int64, seconds since 1970, 0 if the data has no
            times), ``order`` (UInt64, tells orders apart), ``quantity`` (Float32, returns
            netted), ``weight`` (Float32, grows with it) and ``price`` (Float32, of one unit,
            null unknown), in order of time.
        has_times: whether the data tells when.
        has_prices: whether it tells any price; said of all the data, also of a part of it.
        buys_again: whether customers come back for a product, likewise.
    """

    customers: Vocabulary
    items: Vocabulary
    locations: Locations
    lines: pl.DataFrame
    has_times: bool
    has_prices: bool
    buys_again: bool

    @classmethod
    def from_events(cls, events: pl.DataFrame, stores: pl.DataFrame | None) -> Self:
        """Encode the purchases among ``events``.

        Args:
            events: usable events as :func:`training.events.read_events` returns them.
            stores: stores as :func:`training.events.read_stores` returns them.
        """
        purchases = events.filter(pl.col("event_type") == "PURCHASE")
        has_times = purchases["event_time"].null_count() < purchases.height
        customers, customer = _encode(purchases["customer_id"])
        items, item = _encode(purchases["product_id"])
        locations, location = _locations(purchases, stores)
        time = purchases["event_time"].dt.epoch("s")
        lines = pl.DataFrame(
            {
                "customer": customer,
                "item": item,
                "location": location,
                "time": time.fill_null(0),
                "order": _order(purchases["order_id"], time),
                "quantity": purchases["quantity"],
                "price": purchases["unit_price"],
            }
        )
        quantity = pl.col("quantity").clip(lower_bound=1.0)
        weight = (quantity.log() + 1.0).clip(upper_bound=MAX_QUANTITY_WEIGHT)
        lines = (
            lines.group_by("customer", "item", "order")
            .agg(
                pl.col("time").max(),
                pl.col("quantity").sum(),
                pl.col("location").min(),
                pl.col("price").mean(),
            )
            .sort("time", "customer", "item", "order")
            .select(
                "customer",
                "item",
                "location",
                "time",
                "order",
                pl.col("quantity").cast(pl.Float32),
                weight=weight.cast(pl.Float32),
                price=pl.col("price").cast(pl.Float32),
            )
        )
        has_prices = (lines["price"] > 0).any()
        again = _buys_again(lines, has_times=has_times)
        return cls(customers, items, locations, lines, has_times, has_prices, again)

    @property
    def start(self) -> float:
        """Time before which next to nothing was bought, seconds since 1970.

        Not the first purchase: one stray date of 1970 among purchases of this year would stretch
        the data, and leave windows that are cut by its length without a customer.
        """
        return float(self.lines["time"].quantile(STRAY_SHARE, "lower") or 0)

    @property
    def end(self) -> float:
        """Time of the last purchase, seconds since 1970."""
        return float(self.lines["time"].max() or 0)  # type: ignore[arg-type]  # Int64 column

    @property
    def can_be_cut(self) -> bool:
        """Whether something was bought later than something else.

        An export of one day, dates without hours, has times and no before and after.
        """
        return self.has_times and self.start < self.end

    def select(self, mask: pl.Expr | pl.Series) -> Self:
        """The same vocabularies with a part of the lines."""
        return replace(self, lines=self.lines.filter(mask))

    def decayed(self, half_life_days: float) -> NDArray[np.float32]:
        """float32, shape ``(n_lines,)``: 1 for the newest line, 1/2 a half-life before it."""
        age_days = (self.end - self.lines["time"].to_numpy()) / SECONDS_A_DAY
        return np.exp2(-age_days / half_life_days).astype(np.float32)

    def matrix(self, values: NDArray[np.float32]) -> csr_array:
        """Customers by items, the lines' ``values`` summed."""
        pairs = (self.lines["customer"].to_numpy(), self.lines["item"].to_numpy())
        matrix = csr_array((values, pairs), (len(self.customers), len(self.items)))
        matrix.sum_duplicates()
        return matrix


def _buys_again(lines: pl.DataFrame, *, has_times: bool) -> bool:
    """Whether enough is bought twice by one customer; a few such lines are slips.

    Without times a line may stand for many purchases, so numbers above one say so as well.
    """
    n_pairs = lines.select(pl.struct("customer", "item").n_unique()).item()
    again = 1 - n_pairs / max(lines.height, 1)
    if not has_times:
        again = max(again, (lines["quantity"] > 1).mean() or 0)
    return bool(again >= MIN_REPEATS)


def _order(order_id: pl.Series, time: pl.Series) -> pl.Series:
    """What tells orders apart: the order id, else the moment, else nothing: each row is one."""
    row = pl.int_range(len(order_id), eager=True).cast(pl.String)
    return order_id.fill_null(time.cast(pl.String)).fill_null(row).hash()


def _encode(column: pl.Series) -> tuple[Vocabulary, pl.Series]:
    """The distinct values in ascending order, and the index of each row's value."""
    distinct = column.unique().sort()
    codes = column.cast(pl.Enum(distinct)).to_physical().cast(pl.Int32)
    return Vocabulary.from_ids(distinct.to_list()), codes


_LOCATION = ["store_id", "postal_code", "subdivision_code", "country_code", "latitude", "longitude"]


def _locations(purchases: pl.DataFrame, stores: pl.DataFrame | None) -> tuple[Locations, pl.Series]:
    """The distinct locations, and each row's index among them."""
    rows = purchases.select(_LOCATION)
    if stores is not None:
        rows = _lend(rows, stores)
        # A store that has sold nothing yet lends its country all the same.
        known = pl.concat([rows, stores.select(_LOCATION)])
    else:
        known = rows
    distinct = known.unique(maintain_order=False).sort(_LOCATION, nulls_last=False)
    keys = [_location(row).keys() for row in distinct.iter_rows(named=True)]
    names = {} if stores is None else dict(stores.select("store_id", "name").iter_rows())
    by_level = [
        Vocabulary.from_ids(sorted({key[level] for key in keys} - {""})) for level in PLACE_LEVELS
    ]
    rough = np.array(
        [
            [v.index(k) if k else MISSING for v, k in zip(by_level, key, strict=True)]
            for key in keys
        ],
        np.int32,
    ).reshape(-1, len(PLACE_LEVELS))
    # Two fixes of a receiver in one cell are one place, as are two spellings of a postal code.
    indices, inverse = np.unique(rough, axis=0, return_inverse=True)
    position = rows.join(
        distinct.with_row_index("location"),
        on=_LOCATION,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )["location"]
    location = inverse.ravel()[position.to_numpy()].astype(np.int32)
    n_lines = np.bincount(location, minlength=len(indices))
    store_ids = by_level[Level.STORE].ids
    return (
        Locations(
            tuple(by_level),
            indices,
            _store_parents(indices, n_lines, len(store_ids)),
            [names.get(store_ids[i]) or "" for i in range(len(store_ids))],
        ),
        pl.Series(location, dtype=pl.Int32),
    )


def _lend(rows: pl.DataFrame, stores: pl.DataFrame) -> pl.DataFrame:
    """Fill what a purchase does not say of its place from its store."""
    lent = [name for name in _LOCATION if name != "store_id"]
    joined = rows.join(
        stores.select("store_id", *lent),
        on="store_id",
        how="left",
        maintain_order="left",
        suffix="_s",
    )
    return joined.select(
        "store_id", *(pl.coalesce(pl.col(name), pl.col(f"{name}_s")).alias(name) for name in lent)
    )


def _location(row: dict[str, str | float | None]) -> Location:
    latitude, longitude = row["latitude"], row["longitude"]
    cell = ""
    if isinstance(latitude, float) and isinstance(longitude, float):
        cell = cell_of(latitude, longitude)
    return Location(
        store_id=str(row["store_id"] or ""),
        postal_code=str(row["postal_code"] or ""),
        cell=cell,
        subdivision_code=str(row["subdivision_code"] or ""),
        country_code=str(row["country_code"] or ""),
    )


def _store_parents(
    indices: NDArray[np.int32], n_lines: NDArray[np.int64], n_stores: int
) -> NDArray[np.int32]:
    """For each store the place of most of its purchases, level by level."""
    parents = np.full((n_stores, len(PLACE_LEVELS)), MISSING, np.int32)
    parents[:, Level.STORE] = np.arange(n_stores)
    # In rising order of purchases, so that the last write is that of the most.
    for row in np.argsort(n_lines, kind="stable"):
        store = indices[row, Level.STORE]
        if store != MISSING:
            known = indices[row] != MISSING
            parents[store, known] = indices[row, known]
    return parents


def ids(vocabulary: Vocabulary) -> Sequence[str]:
    """All ids of a vocabulary, in the order of their indices."""
    return vocabulary.ids.take(range(len(vocabulary)))
