"""Batch scoring: lists for many customers, by the very code that serves."""

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from recsvc.core.cells import cell_of
from recsvc.core.diversity import Diversity
from recsvc.core.places import Level, Location
from recsvc.core.recommender import Query, Ranking, Recommender
from recsvc.core.sources import Strategy

_TEXT = ("store_id", "country_code", "subdivision_code", "postal_code")
_LOCATION = (*_TEXT, "latitude", "longitude")


def recommend_all(
    recommender: Recommender,
    customers: pl.DataFrame,
    *,
    size: int,
    sold_at: float,
    only_new: bool,
    diversity: Diversity = Diversity.NONE,
    tick: Callable[[], object] = lambda: None,
) -> pl.DataFrame:
    """Rank for every row of ``customers``.

    Args:
        recommender: the model to rank with.
        customers: as :func:`training.events.read_customers` returns them.
        size: products a customer, at most.
        sold_at: when the lists are read, seconds since 1970: what may be sold then. Recency is
            measured at the end of the data.
        only_new: leave out what the customer has bought.
        diversity: how varied the lists are.
        tick: called after each list.

    Returns:
        ``customer_id, rank, product_id, score, strategy, location_level``, and those
        location columns that were given, since a customer may be asked for at two places.
    """
    model = recommender.model

    def one(row: Mapping[str, str | float | None]) -> Ranking:
        customer = model.customers.index(str(row["customer_id"]))
        place = recommender.place(customer, _location(row))
        ranking = recommender.recommend(
            Query(
                customer=customer,
                place=place,
                size=size,
                now=model.data_end,
                sold_at=sold_at,
                only_new=only_new,
                diversity=diversity,
            )
        )
        tick()
        return ranking

    rankings = [one(row) for row in customers.iter_rows(named=True)]
    lengths = [len(ranking.items) for ranking in rankings]
    items = np.concatenate([ranking.items for ranking in rankings])
    given = [name for name in _LOCATION if customers[name].null_count() < customers.height]
    repeated = customers.select("customer_id", *given)[np.repeat(np.arange(len(lengths)), lengths)]
    return pl.DataFrame(
        {
            "customer_id": repeated["customer_id"],
            "rank": np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in lengths]),
            "product_id": model.catalogue.items.ids.take(items.tolist()),
            "score": np.concatenate([ranking.scores for ranking in rankings]),
            "strategy": _names(np.concatenate([r.strategies for r in rankings]), Strategy),
            "location_level": _names(np.concatenate([r.levels for r in rankings]), Level),
        }
        | {name: repeated[name] for name in given},
        # What there are no rows of would have no type.
        schema_overrides=dict.fromkeys(("product_id", "strategy", "location_level"), pl.String),
    )


def _names(codes: np.ndarray, kind: type[Strategy] | type[Level]) -> list[str]:
    return [kind(code).name for code in codes.tolist()]


def _location(row: Mapping[str, str | float | None]) -> Location:
    latitude, longitude = row["latitude"], row["longitude"]
    return Location(
        **{name: str(row[name] or "") for name in _TEXT},
        cell=cell_of(latitude, longitude)
        if isinstance(latitude, float) and isinstance(longitude, float)
        else "",
    )
