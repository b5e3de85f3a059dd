"""Batch scoring: lists for many customers, by the very code that serves."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np
import polars as pl

from recsvc.core.cells import cell_of
from recsvc.core.conditions import Occasion
from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.lists import BuyAgain, Ranking
from recsvc.core.places import Level, Location
from recsvc.core.query import Query
from recsvc.core.recommendation_id import Surface as Kind
from recsvc.core.recommender import Recommender
from recsvc.core.rules import NO_RULES
from recsvc.core.ruling import PreparedRules
from recsvc.core.sources import Strategy
from recsvc.core.vocabulary import MISSING

_TEXT = ("store_id", "country_code", "subdivision_code", "postal_code")
_LOCATION = (*_TEXT, "latitude", "longitude")
_UTC = pl.Datetime("us", "UTC")


class Surface(StrEnum):
    """Which list is made."""

    RECOMMEND = "recommend"
    BUY_AGAIN = "buy-again"

    @property
    def kind(self) -> Kind:
        """The same in the names of lists."""
        return Kind.RECOMMEND if self is Surface.RECOMMEND else Kind.AGAIN


def recommend_all(
    recommender: Recommender,
    customers: pl.DataFrame,
    asked: Query,
    *,
    surface: Surface = Surface.RECOMMEND,
    rules: PreparedRules | None = None,
    occasion: Occasion | None = None,
    may_know: Sequence[bool] | None = None,
    tick: Callable[[], object] = lambda: None,
) -> pl.DataFrame:
    """Rank for every row of ``customers``.

    Args:
        recommender: the model to rank with.
        customers: as :func:`training.events.read_customers` returns them.
        asked: the question, whoever and wherever the customer is.
        surface: which list.
        rules: the shop's, none unless given.
        occasion: what those look at, customer and place aside; the time of ``asked`` unless given.
        may_know: for each row whether that customer may be known, all unless given; the others are
            answered as who is unknown, by place and context alone.
        tick: called after each list.

    Returns:
        ``customer_id, rank, product_id, score, strategy, location_level``; of what is needed
        again also ``due_time`` (UTC), ``usual_interval_days`` (null unknown) and
        ``usual_quantity``; and those
        location columns that were given, since a customer may be asked for at two places.
    """
    model = recommender.model
    rules = rules or PreparedRules(NO_RULES, ())
    occasion = occasion or Occasion(now=asked.now if asked.sold_at is None else asked.sold_at)
    occasion = replace(occasion, surface=surface.kind, stage=asked.stage)

    def queries() -> Iterator[Query]:
        known = itertools.repeat(object=True) if may_know is None else may_know
        for row, is_known in zip(customers.iter_rows(named=True), known, strict=False):
            customer = model.customers.index(str(row["customer_id"])) if is_known else MISSING
            location = _location(row)
            place = recommender.place(customer, location)
            here = replace(
                occasion,
                location=location.completed(model.places.describe(place)),
                segments=model.segments.of(customer),
            )
            yield replace(asked, customer=customer, place=place, ruling=rules.ruling(here))
            tick()

    if surface is Surface.RECOMMEND:
        return _table(recommender, customers, list(recommender.recommend_all(queries())))
    needed = [recommender.again(query) for query in queries()]
    lists = _table(recommender, customers, [found.ranking for found in needed])
    columns = lists.columns.index("location_level") + 1
    return pl.concat([lists[:, :columns], _needs(needed), lists[:, columns:]], how="horizontal")


def _table(
    recommender: Recommender, customers: pl.DataFrame, rankings: Sequence[Ranking]
) -> pl.DataFrame:
    lengths = [len(ranking.items) for ranking in rankings]
    items = np.concatenate([ranking.items for ranking in rankings])
    given = [name for name in _LOCATION if customers[name].null_count() < customers.height]
    repeated = customers.select("customer_id", *given)[np.repeat(np.arange(len(lengths)), lengths)]
    return pl.DataFrame(
        {
            "customer_id": repeated["customer_id"],
            "rank": np.concatenate([np.arange(1, n + 1, dtype=np.int32) for n in lengths]),
            "product_id": recommender.assortment.catalogue.items.ids.take(items.tolist()),
            "score": np.concatenate([ranking.scores for ranking in rankings]),
            "strategy": _names(np.concatenate([r.strategies for r in rankings]), Strategy),
            "location_level": _names(np.concatenate([r.levels for r in rankings]), Level),
        }
        | {name: repeated[name] for name in given},
        # What there are no rows of would have no type.
        schema_overrides=dict.fromkeys(("product_id", "strategy", "location_level"), pl.String),
    )


def _needs(needed: Sequence[BuyAgain]) -> pl.DataFrame:
    """When each product is needed again, how often and how much."""
    seconds = np.concatenate([found.due_time for found in needed]).round().astype(np.int64)
    days = np.concatenate([found.interval_seconds for found in needed]) / SECONDS_A_DAY
    return pl.DataFrame(
        {
            "due_time": pl.Series(seconds * 1_000_000).cast(pl.Datetime("us")).cast(_UTC),
            # Bought once, by nobody twice: how often is not known.
            "usual_interval_days": pl.Series(np.where(days > 0, days, np.nan)).fill_nan(None),
            "usual_quantity": np.concatenate([found.quantity for found in needed]),
        }
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
