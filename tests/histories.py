"""Histories of events as an experiment's shoppers leave them."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recsvc.artifacts.experiments import Experiment
from recsvc.core.assignment import variant_of
from recsvc.core.recommendation_id import N_OWN, ListOrigin, Surface, new_recommendation_id
from tests.experiments import experiment
from training.experiments.history import History, read_history

START = datetime(2026, 5, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.String,
    "visitor_id": pl.String,
    "product_id": pl.String,
    "event_time": pl.Datetime("us", "UTC"),
    "event_type": pl.String,
    "quantity": pl.Float64,
    "unit_price": pl.Float64,
    "currency": pl.String,
    "store_id": pl.String,
    "country_code": pl.String,
    "recommendation_id": pl.String,
    "event_id": pl.String,
}


def named(variant: int, of: Experiment | None = None) -> str:
    """The name of a list of a variant."""
    origin = ListOrigin(
        Surface.RECOMMEND, int(START.timestamp()), (of or experiment()).number, variant
    )
    return new_recommendation_id(origin, os.urandom(N_OWN))


def row(kind: str, when: datetime, customer: str = "anna", **fields: Any) -> dict[str, Any]:
    """One event of one product."""
    given = {"product_id": "tea", "customer_id": customer, **fields}
    return dict.fromkeys(COLUMNS) | {"event_type": kind, "event_time": when} | given


def seen(name: str, when: datetime, customer: str = "anna", **fields: Any) -> dict[str, Any]:
    """A list was seen."""
    return row("IMPRESSION", when, customer, recommendation_id=name, **fields)


def write(rows: Sequence[dict[str, Any]], folder: Path, number: int = 1) -> Path:
    """Write a history as ``recsvc-train collect`` does."""
    path = folder / f"live-{number:08}.parquet"
    pl.DataFrame(rows, schema=COLUMNS, orient="row").write_parquet(path)
    return path


def read(
    *paths: Path, max_quarantined_share: float = 0.0, lists: pl.DataFrame | None = None
) -> History:
    """Read such files."""
    return read_history(
        paths,
        mapping={},
        timezone="UTC",
        quarantine=None,
        max_quarantined_share=max_quarantined_share,
        lists=lists,
    )


def crowd(
    n_shoppers: int, lift: float, *, of: Experiment, lost: float = 0.0, seed: int = 0
) -> list[dict[str, Any]]:
    """A week of shoppers who see three lists each and click 30 % of them; variant 1 more often.

    Args:
        n_shoppers: how many come.
        lift: of the click rate under variant 1.
        of: the experiment.
        lost: share of variant 1's shoppers whose events never arrive.
        seed: decides everything.
    """
    random = np.random.default_rng(seed)
    rows = []
    for number in range(n_shoppers):
        customer = f"c{number}"
        variant = variant_of(of.lot, customer, of.weights)
        if variant == 1 and random.random() < lost:
            continue
        rate = 0.3 * (1 + lift * (variant == 1))
        place = {"country_code": "GB", "store_id": ("leeds-1", "york-1")[number % 2]}
        for _ in range(3):
            name, when = named(variant, of), START + random.random() * 7 * DAY
            rows.append(seen(name, when, customer, **place))
            if random.random() < rate:
                minute = timedelta(minutes=1)
                rows.append(row("CLICK", when + minute, customer, recommendation_id=name))
                if random.random() < 0.5:
                    fields = {"unit_price": float(random.lognormal(2, 0.5)), "currency": "GBP"}
                    rows.append(row("PURCHASE", when + 2 * minute, customer, **fields))
    return rows
