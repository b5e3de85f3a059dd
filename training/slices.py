"""Parts of an evaluation: where a good mean may hide a bad one.

Customers are sliced by home place (the largest places of each level), by how much they had
bought, by whether they are new, and by segments that the user gives; targets by whether the
product is new to the catalogue.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.model import Model
from recsvc.core.places import PLACE_LEVELS
from recsvc.core.vocabulary import MISSING, Vocabulary
from training.cells import Kind
from training.events import MAX_QUARANTINED_SHARE
from training.interactions import ids
from training.schema import Column as FileColumn
from training.schema import Table
from training.tables import Options, read_table

N_SLICES = 10
"""Slices of a kind that are reported, the largest."""
NEW_DAYS = 28.0
"""Customers and products are new for so long after their first purchase."""

HISTORY = "history"
CUSTOMER = "customer"
PRODUCT = "product"
SEGMENT = "segment"
NEW, ESTABLISHED = "new", "established"

_BOUNDS = (1, 2, 5, 20, 100, 500)
HISTORY_NAMES = ("1", "2-4", "5-19", "20-99", "100-499", "500+")
"""Purchases of a customer, a line of an order each: one shopping trip of a grocer is in
``20-99``, a year of them in ``500+``."""

Labels = Mapping[str, NDArray[np.object_]]
"""By kind of slice: for each customer the name of its slice, ``""`` if it is in none."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the customers.

    Attributes:
        kind: what was looked at: a level of place, :data:`HISTORY`, :data:`CUSTOMER` or
            :data:`SEGMENT`.
        name: what they have in common: ``GB``, ``2-4``.
        members: bool, shape ``(n_customers,)``.
    """

    kind: str
    name: str
    members: NDArray[np.bool_]


def customer_labels(model: Model, new_days: float = NEW_DAYS) -> dict[str, NDArray[np.object_]]:
    """The slices of every customer of ``model``, at the end of its data."""
    histories = model.histories
    n_customers = len(histories)
    rows = np.repeat(np.arange(n_customers), np.diff(histories.indptr))
    n_purchases = np.bincount(rows, histories.n_purchases, n_customers)
    first = _first(rows, histories.first_time, n_customers)
    is_new = first >= model.data_end - new_days * SECONDS_A_DAY
    names = np.array(["", *HISTORY_NAMES], np.object_)
    return {
        **{
            level.name.lower(): _names(model.places.levels[level].keys, histories.homes[:, level])
            for level in PLACE_LEVELS
        },
        HISTORY: names[np.searchsorted(_BOUNDS, n_purchases, side="right")],
        CUSTOMER: np.where(is_new, NEW, ESTABLISHED).astype(np.object_),
    }


def new_products(model: Model, new_days: float = NEW_DAYS) -> NDArray[np.bool_]:
    """bool, shape ``(n_items,)``: first bought within the last days of the model's data."""
    histories = model.histories
    first = _first(histories.items, histories.first_time, len(model.catalogue))
    is_new: NDArray[np.bool_] = first >= model.data_end - new_days * SECONDS_A_DAY
    return is_new


def segment_labels(customers: Vocabulary, segments: Mapping[str, str]) -> NDArray[np.object_]:
    """The segment of each of ``customers``, ``""`` for those without one."""
    return np.array([segments.get(customer, "") for customer in ids(customers)], np.object_)


def read_segments(
    path: Path, max_quarantined_share: float = MAX_QUARANTINED_SHARE
) -> dict[str, str]:
    """Segment by customer id, from a CSV or Parquet file of the two.

    The last row of a customer counts; a customer without a segment is in none.

    Raises:
        InputError: the file or a column is unusable, or too many rows are.
    """
    options = Options({}, "UTC", datetime.now(UTC), None, max_quarantined_share)
    rows = read_table(_SEGMENTS, [path], options).rows
    return dict(rows.select("customer_id", "segment").drop_nulls().iter_rows())


def slices(labels: Labels) -> list[Slice]:
    """The largest slices of each kind that tells customers apart; places by falling size."""
    found = []
    for kind, names in labels.items():
        distinct, sizes = np.unique(names[names != ""], return_counts=True)
        if len(distinct) < 2:  # noqa: PLR2004  # one slice says what the total says
            continue
        largest = distinct[np.argsort(-sizes, kind="stable")][:N_SLICES].tolist()
        if kind == HISTORY:
            largest.sort(key=HISTORY_NAMES.index)
        found += [Slice(kind, name, names == name) for name in largest]
    return found


def _names(keys: Vocabulary, homes: NDArray[np.int32]) -> NDArray[np.object_]:
    names = np.array([*ids(keys), ""], np.object_)
    return names[np.where(homes == MISSING, len(keys), homes)]


def _first(rows: NDArray[np.integer], times: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """The least of the ``times`` of each row; a row without any has the largest number."""
    first = np.full(n_rows, np.iinfo(np.int64).max)
    np.minimum.at(first, rows, times)
    return first


_SEGMENTS: Final = Table(
    name="segments",
    columns=(
        FileColumn("customer_id", Kind.IDENTIFIER, required=True),
        FileColumn("segment", Kind.TEXT, required=True),
    ),
    rules=lambda _now, _present: {"no_customer": pl.col("customer_id").is_null()},
    option=None,
)
