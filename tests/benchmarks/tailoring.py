"""``python -m tests.benchmarks.tailoring run``: what the shopper's order of similar products wins.

For purchases that were new to their customers, with another product of their category in view: how
often is the one that was bought among the first ten, on everybody's list and on the shopper's?
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING
from recsvc.terminal import new_app, run
from training.options import load
from training.significance import bootstrap_each

app = new_app("Measure the shopper's order of similar products on what was bought next.")

LENGTH = 10
N_EACH = 2
"""Purchases a customer, at most."""
MIN_IN_CATEGORY = 20
"""In a category of fewer products nearly every one is among the first."""


@dataclass(frozen=True)
class Pair:
    """A product that a customer bought for the first time, and another of its category."""

    customer: int
    bought: int
    viewed: int


@app.command("run")
def main(
    registry: Annotated[str, typer.Option(help="Model registry.")],
    test: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, help="Parquet: customer_id, product_id bought next."
        ),
    ],
    sample: Annotated[int, typer.Option(help="Customers drawn at random.")] = 2_000,
) -> None:
    """Print one row for each list, as JSON."""
    _, recommender = load(registry, "current")
    bought = pl.read_parquet(test).select(pl.col("customer_id", "product_id").cast(pl.String))
    pairs = list(_pairs(recommender, bought.unique(maintain_order=True), sample))
    rows = {}
    with threadpool_limits(1, "blas"):
        for in_category in (False, True):
            hits = np.array([_hits(recommender, pair, in_category) for pair in pairs], np.float64)
            rows["in the category" if in_category else "all products"] = _figures(pairs, hits)
    sys.stdout.write(json.dumps(rows, indent=2) + "\n")


def _pairs(recommender: Recommender, bought: pl.DataFrame, sample: int) -> Iterator[Pair]:
    rng = np.random.default_rng(7)
    model = recommender.model
    category, buyers = model.catalogue.category, np.expm1(model.statistics.log_buyers)
    customers = bought["customer_id"].unique(maintain_order=True).to_numpy()
    products = dict(bought.group_by("customer_id").agg("product_id").iter_rows())
    for customer_id in rng.permutation(customers)[:sample]:
        customer = model.customers.index(customer_id)
        if customer == MISSING:
            continue
        items = model.catalogue.items.indices(products[customer_id])
        items = np.setdiff1d(items, model.histories.profile(customer).items)
        for item in rng.permutation(items[category[items] != MISSING])[:N_EACH].tolist():
            others = np.flatnonzero((category == category[item]) & (buyers > 0))
            others = others[others != item]
            if len(others) >= MIN_IN_CATEGORY:
                weights = buyers[others] / buyers[others].sum()
                yield Pair(customer, item, int(rng.choice(others, p=weights)))


def _hits(recommender: Recommender, pair: Pair, in_category: bool) -> tuple[bool, bool]:  # noqa: FBT001  # one of two kinds
    """Whether the product is among the first, on everybody's list and on the customer's."""
    wanted = CatalogueFilter(
        category_paths=(recommender.assortment.product(pair.viewed).category_path,)
    )
    query = Query(
        customer=pair.customer,
        place=recommender.place(pair.customer, Location()),
        now=recommender.model.data_end,
        size=LENGTH,
        catalogue_filter=wanted if in_category else None,
    )
    everybodys = recommender.similar(pair.viewed, replace(query, customer=MISSING)).items
    theirs = recommender.similar(pair.viewed, query).items
    return pair.bought in everybodys, pair.bought in theirs


def _figures(pairs: list[Pair], hits: NDArray[np.float64]) -> dict[str, float]:
    customers, at = np.unique([pair.customer for pair in pairs], return_inverse=True)
    # Customers are what is drawn: what one bought is not independent.
    won = np.bincount(at, hits[:, 1] - hits[:, 0]) / np.bincount(at)
    difference = bootstrap_each(won[:, None])[0]
    return {
        "customers": len(customers),
        "purchases": len(hits),
        "everybody's": round(float(hits[:, 0].mean()), 4),
        "the shopper's": round(float(hits[:, 1].mean()), 4),
        "difference": round(difference.mean, 4),
        "low": round(difference.low, 4),
        "high": round(difference.high, 4),
    }


if __name__ == "__main__":
    raise SystemExit(run(app))
