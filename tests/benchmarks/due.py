"""``python -m tests.benchmarks.due``: how far ``due_time`` is from the next purchase.

For products on the buy-again lists of a model that were bought next; beside the naive rule, last
purchase plus mean interval, for those that were bought at least twice.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.terminal import new_app, run
from training.options import load

app = new_app("Measure when things are due on what was bought next.")

LENGTH = 10
SOON_DAYS = 7
N_FIRST = 3


@dataclass(frozen=True)
class Found:
    """One list: all arrays have shape ``(n,)``, seconds since 1970.

    Attributes:
        due: when each is due.
        naive: last purchase plus mean interval.
        bought: the next purchase, infinite where there is none.
    """

    due: NDArray[np.float64]
    naive: NDArray[np.float64]
    bought: NDArray[np.float64]


@app.command("run")
def main(
    registry: Annotated[str, typer.Option(help="Model registry.")],
    future: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Parquet: customer_id, product_id, event_time, after the data.",
        ),
    ],
    sample: Annotated[int, typer.Option(help="Customers drawn at random.")] = 2_000,
) -> None:
    """Print the figures as JSON."""
    _, recommender = load(registry, "current")
    bought = (
        pl.read_parquet(future)
        .select(
            pl.col("customer_id", "product_id").cast(pl.String),
            time=pl.col("event_time").dt.epoch("s"),
        )
        .filter(pl.col("time") > recommender.model.data_end)
        .group_by("customer_id", "product_id")
        .agg(pl.col("time").min())
    )
    customers = bought["customer_id"].unique().sort().to_list()
    rng = np.random.default_rng(0)
    drawn = set(rng.permutation(customers)[:sample].tolist())
    with threadpool_limits(1, "blas"):
        found = [
            _found(recommender, str(customer), rows)
            for (customer,), rows in bought.sort("customer_id").group_by("customer_id")
            if customer in drawn
        ]
    json.dump(_figures(found, recommender.model.data_end), sys.stdout, indent=2)


def _found(recommender: Recommender, customer_id: str, rows: pl.DataFrame) -> Found:
    model = recommender.model
    customer = model.customers.index(customer_id)
    place = recommender.place(customer, Location())
    needed = recommender.again(
        Query(customer=customer, place=place, size=LENGTH, now=model.data_end)
    )
    profile = needed.ranking.profile
    own = profile.where(np.searchsorted(profile.items, needed.ranking.items))
    next_time = np.full(len(model.catalogue), np.inf)
    items = model.catalogue.items.indices(rows["product_id"].to_list())
    next_time[items[items >= 0]] = rows["time"].to_numpy()[items >= 0]
    gaps = own.n_purchases - 1
    mean = np.where(gaps > 0, (own.last_time - own.first_time) / np.maximum(gaps, 1), np.nan)
    naive = own.last_time.astype(np.float64) + mean
    return Found(needed.due_time, naive, next_time[needed.ranking.items])


def _figures(found: list[Found], now: float) -> dict[str, float]:
    due, naive, bought = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("due", "naive", "bought")
    )
    counts = np.isfinite(bought) & np.isfinite(naive)
    errors = {
        "due_time": due,
        "last_plus_mean_interval": naive,
        "the_same_not_before_now": np.maximum(naive, now),
    }
    until = now + SOON_DAYS * SECONDS_A_DAY
    is_due = due <= until
    by_naive = [one.bought[np.argsort(np.nan_to_num(one.naive, nan=np.inf))] for one in found]
    return {
        "n_customers": len(found),
        "n_products": int(counts.sum()),
        **{
            f"median_error_days_{name}": float(np.median(np.abs(times - bought)[counts]))
            / SECONDS_A_DAY
            for name, times in errors.items()
        },
        "soon_of_all": float(np.mean(bought <= until)),
        "soon_of_the_first": _soon([one.bought for one in found], until),
        "soon_of_the_first_by_naive": _soon(by_naive, until),
        "share_due_soon": float(np.mean(is_due)),
        "soon_of_those_due": float(np.mean(bought[is_due] <= until)),
    }


def _soon(lists: list[NDArray[np.float64]], until: float) -> float:
    return float(np.mean(np.concatenate([one[:N_FIRST] for one in lists]) <= until))


if __name__ == "__main__":
    raise SystemExit(run(app))
