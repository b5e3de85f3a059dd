"""The catalogue snapshot: what was sold, described by the products file."""

import json

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsvc.core.attributes import Attributes
from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Catalogue
from recsvc.core.vocabulary import MISSING, StringTable, Vocabulary
from training.interactions import Interactions, ids

MAX_VALUE_BYTES = 256
"""Longer values are texts, not attributes: no filter can ask for them."""

_EMPTY: dict[str, pl.DataType | type[pl.DataType]] = {
    "product_id": pl.String,
    "title": pl.String,
    "category_path": pl.String,
    "brand": pl.String,
    "price": pl.Float64,
    "currency": pl.String,
    "available_from": pl.Datetime("us", "UTC"),
    "available_to": pl.Datetime("us", "UTC"),
    "group_id": pl.String,
    "sensitive": pl.Boolean,
    "attributes": pl.String,
}


def fit_catalogue(interactions: Interactions, products: pl.DataFrame | None) -> Catalogue:
    """Describe every product that was bought; what the file does not say is unknown."""
    described = pl.DataFrame(schema=_EMPTY) if products is None else products
    rows = pl.DataFrame({"product_id": ids(interactions.items)}, schema={"product_id": pl.String})
    rows = rows.join(described, on="product_id", how="left", maintain_order="left")
    categories, category = _names(rows["category_path"])
    brands, brand = _names(rows["brand"])
    currencies, currency = _names(rows["currency"])
    groups, group = _names(rows["group_id"])
    return Catalogue(
        interactions.items,
        StringTable.from_strings(rows["title"].fill_null("")),
        categories,
        brands,
        currencies,
        category,
        brand,
        currency,
        rows["price"].fill_null(float("nan")).to_numpy().astype(np.float64),
        _seconds(rows["available_from"], ALWAYS_FROM),
        _seconds(rows["available_to"], ALWAYS_TO),
        _attributes(rows["attributes"]),
        groups,
        group,
        rows["sensitive"].fill_null(value=False).to_numpy().astype(np.bool_),
    )


def _attributes(column: pl.Series) -> Attributes:
    """Read the objects that ``training.events.read_products`` wrote."""
    described = (json.loads(text) for text in column.fill_null("{}"))
    return Attributes.of(
        [
            {
                name: (value,)
                for name, value in each.items()
                if len(value.encode()) <= MAX_VALUE_BYTES
            }
            for each in described
        ]
    )


def _names(column: pl.Series) -> tuple[Vocabulary, NDArray[np.int32]]:
    names = column.drop_nulls().unique().sort()
    codes = column.replace_strict(
        names, np.arange(len(names)), default=MISSING, return_dtype=pl.Int32
    )
    return Vocabulary.from_ids(names.to_list()), codes.to_numpy().astype(np.int32)


def _seconds(column: pl.Series, default: int) -> NDArray[np.int64]:
    return column.dt.epoch("s").fill_null(default).to_numpy().astype(np.int64)
