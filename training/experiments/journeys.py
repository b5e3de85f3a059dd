"""What the shoppers of an experiment were shown and did, from the history of events.

A list counts once it was seen: an IMPRESSION names it, or, where a report goes by that, it was
served. Its ``recommendation_id`` says of which experiment and variant it is. A shopper belongs to
the variant of the first list that they saw.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsvc.artifacts.experiments import Experiment
from recsvc.core.recommendation_id import read_recommendation_id
from recsvc.errors import InputError
from training.experiments.history import IMPRESSION, History
from training.experiments.moments import Float
from training.schema import PURCHASE

CREDIT: Final = timedelta(days=7)
"""A purchase is credited to a list that showed the product to the shopper no longer before."""
BEFORE: Final = timedelta(days=28)
"""The weeks before a shopper's first list; what was paid then is the covariate."""

PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {"country": "country_code", "store": "store_id"}
)
"""Kinds of place, and the columns that name them."""

_NONE_SEEN: Final = (
    "no IMPRESSION event names a list of this experiment; send one, with the list's "
    "recommendation_id, for each list that a shopper sees, and collect them: recsvc-train collect"
)
_NONE_SERVED: Final = (
    "no served list of this experiment counts as seen: there is none, or nobody in particular was "
    "served it, or it was on the channels AGENT or CHAT; serve with RECSVC_SERVED_SAMPLE=1, and "
    "collect more often than RECSVC_SERVED_DAYS: recsvc-train collect; or go by IMPRESSION events, "
    "without --served"
)


@dataclass(frozen=True, slots=True)
class Deeds:
    """Something that shoppers did, one entry each time, in the order of days.

    Attributes:
        shopper: int64: who.
        day: int64: on which day of the experiment, from 0.
        value: float64: how much of it.
    """

    shopper: NDArray[np.int64]
    day: NDArray[np.int64]
    value: Float


@dataclass(frozen=True, slots=True)
class Journeys:
    """Everything that a report needs.

    Attributes:
        variant: int64 ``(n_shoppers,)``: index of the variant.
        before: float64 ``(n_shoppers,)``: what was paid in the weeks before.
        places: by kind of place, the name of each shopper's, ``""`` unknown; where they saw their
            first list.
        deeds: by name: ``shown``, ``clicked`` and ``converted`` lists, ``credited`` and ``paid``
            money, ``lines`` credited and those of them that were ``new`` to the shopper, and
            ``came``, once a shopper.
        first_day: of the experiment.
        n_days: until the last event.
        n_mixed: shoppers who saw lists of two variants; the first one's count.
        n_unknown: lists of variants that the experiment does not have, which are left out.
        currency: of all money, ``""`` unknown.
        n_foreign: purchases in other currencies, which are left out.
        history: what it was made from, for what is not in that.
    """

    variant: NDArray[np.int64]
    before: Float
    places: Mapping[str, NDArray[np.object_]]
    deeds: Mapping[str, Deeds]
    first_day: datetime
    n_days: int
    n_mixed: int
    n_unknown: int
    currency: str
    n_foreign: int
    history: History


def follow(history: History, experiment: Experiment | None) -> Journeys:
    """Follow the shoppers of an experiment.

    Args:
        history: what happened.
        experiment: which; None for all lists, as one variant.

    Raises:
        InputError: no list of it was seen.
    """
    events = history.rows
    seen, n_unknown = _seen(history, experiment)
    first = seen.unique("shopper", keep="first", maintain_order=True).with_row_index("row")
    shoppers = first.select(
        "shopper", pl.col("row").cast(pl.Int64), pl.col("variant"), since=pl.col("event_time")
    )
    start = datetime.combine(first["event_time"].min(), datetime.min.time(), UTC)  # type: ignore[arg-type]  # a time: there is one
    seen = seen.join(shoppers.select("shopper", "row", of="variant"), on="shopper")
    n_mixed = seen.filter(pl.col("variant") != pl.col("of"))["shopper"].n_unique()
    seen = seen.filter(pl.col("variant") == pl.col("of"))
    shown = seen.unique("recommendation_id", keep="first", maintain_order=True)
    bought, currency, n_foreign = _bought(events, shoppers)
    after = bought.filter(pl.col("event_time") >= pl.col("since"))
    credited = _credited(after, seen, shown)
    clicks = events.filter(pl.col("event_type") == "CLICK").join(
        shown.select("recommendation_id", "row"), on="recommendation_id"
    )
    once = credited.unique("list", keep="first", maintain_order=True)
    deeds = {
        "came": _deeds(first.with_columns(pl.col("row").cast(pl.Int64)), start),
        "shown": _deeds(shown, start),
        "clicked": _deeds(
            clicks.unique("recommendation_id", keep="first", maintain_order=True), start
        ),
        "converted": _deeds(once, start),
        "credited": _deeds(credited, start, "paid"),
        "paid": _deeds(after, start, "paid"),
        "lines": _deeds(credited, start),
        "new": _deeds(credited.filter("is_new"), start),
    }
    return Journeys(
        variant=first["variant"].to_numpy(),
        before=_before(bought, first.height),
        places={
            kind: first[column].fill_null("").to_numpy().astype(np.object_)
            for kind, column in PLACES.items()
        },
        deeds=deeds,
        first_day=start,
        n_days=1 + max(int(each.day.max(initial=0)) for each in deeds.values()),
        n_mixed=n_mixed,
        n_unknown=n_unknown,
        currency=currency,
        n_foreign=n_foreign,
        history=history,
    )


def _seen(history: History, experiment: Experiment | None) -> tuple[pl.DataFrame, int]:
    """Impressions of the experiment's lists, the earliest first, with their variants.

    And how many lists are of a variant that it does not have: an id is no signature.
    """
    impressions = history.rows.filter(
        (pl.col("event_type") == IMPRESSION) & pl.col("recommendation_id").is_not_null()
    )
    names = impressions["recommendation_id"].unique().to_list()
    if experiment is None:
        named = dict.fromkeys(names, 0)
    else:
        origins = ((name, read_recommendation_id(name)) for name in names)
        named = {
            name: origin.variant
            for name, origin in origins
            if origin is not None and origin.experiment == experiment.number
        }
    n_variants = 1 if experiment is None else len(experiment.variants)
    variants = {name: variant for name, variant in named.items() if variant < n_variants}
    if not variants:
        raise InputError(_NONE_SERVED if history.is_of_served else _NONE_SEEN)
    table = pl.DataFrame(
        {"recommendation_id": list(variants), "variant": list(variants.values())},
        schema={"recommendation_id": pl.String, "variant": pl.Int64},
    )
    found = impressions.join(table, on="recommendation_id", maintain_order="left")
    return found, len(named) - len(variants)


def _bought(events: pl.DataFrame, shoppers: pl.DataFrame) -> tuple[pl.DataFrame, str, int]:
    """Purchases of the shoppers, in the currency of most of them."""
    every = events.filter(
        (pl.col("event_type") == PURCHASE) & (pl.col("quantity").fill_null(1.0) > 0)
    )
    bought = every.join(shoppers.drop("variant"), on="shopper", maintain_order="left")
    known = bought["currency"].drop_nulls()
    currency = known.mode().sort()[0] if len(known) else ""
    own = bought.filter(pl.col("currency").fill_null(currency) == currency)
    own = own.with_columns(
        pl.col("paid").fill_null(0.0),
        # The first time in the whole history, whatever came of it.
        is_new=pl.col("event_time") == pl.col("event_time").min().over("shopper", "product_id"),
    )
    return own, currency, bought.height - own.height


def _credited(after: pl.DataFrame, seen: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """Purchases that a list can take the credit for, with that ``list``.

    The one that the purchase itself names, else the last that showed the product to the shopper.
    """
    lists = seen.select("row", "product_id", "event_time", list="recommendation_id")
    found = after.join_asof(
        lists.sort("event_time"),
        on="event_time",
        by=["row", "product_id"],
        tolerance=CREDIT,
        check_sortedness=False,
    )
    named = found.join(
        shown.select("row", "recommendation_id", named="recommendation_id"),
        on=["row", "recommendation_id"],
        how="left",
        maintain_order="left",
    )
    return named.with_columns(list=pl.coalesce("named", "list")).filter(
        pl.col("list").is_not_null()
    )


def _before(bought: pl.DataFrame, n_shoppers: int) -> Float:
    """float64 ``(n_shoppers,)``: what each paid in the weeks before their first list."""
    since, time = pl.col("since"), pl.col("event_time")
    paid = bought.filter((time < since) & (time >= since - BEFORE))
    return summed(paid["row"].to_numpy(), paid["paid"].to_numpy(), n_shoppers)


def summed(shopper: NDArray[np.int64], value: Float, n_shoppers: int) -> Float:
    """float64 ``(n_shoppers,)``: what each did in all."""
    return np.bincount(shopper, value, n_shoppers).astype(np.float64)


def _deeds(rows: pl.DataFrame, start: datetime, value: str | None = None) -> Deeds:
    amount = pl.lit(1.0) if value is None else pl.col(value)
    days = (pl.col("event_time") - pl.lit(start)).dt.total_days()
    table = rows.select("row", day=days, amount=amount).sort("day")
    return Deeds(table["row"].to_numpy(), table["day"].to_numpy(), table["amount"].to_numpy())
