"""``python -m tests.benchmarks.surfaces``: the other surfaces, on the orders of the next month.

``together``: a product is taken out of each basket; how often is it among the first ten? ``again``:
what of the first ten is bought within a week? ``stages``: how the lists of the stages of the
journey differ. All ask the serving code, at the end of the model's data.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsvc.core.baskets import Pairs
from recsvc.core.diversity import Likeness
from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.places import ANYWHERE, Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.stages import Stage
from recsvc.core.vocabulary import MISSING
from recsvc.terminal import new_app, run
from tests.distance import mean_distance
from training.options import load
from training.significance import bootstrap_each, paired_bootstrap

app = new_app("Measure the other surfaces on the orders that came next.")

RegistryOption = Annotated[str, typer.Option(help="Model registry.")]
OrdersOption = Annotated[
    Path,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="Parquet: customer_id, product_id, order_id and event_time, after the data.",
    ),
]
LENGTH = 10
SIZES = (3, 10)
"""Products of the baskets that are asked about."""
AGAIN_DAYS = 7.0
SEED = 7
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Basket:
    """An order of a customer whom the model knows; items are distinct, all learnt."""

    customer: int
    items: NDArray[np.int32]
    time: float


def _orders(recommender: Recommender, path: Path) -> Iterator[Basket]:
    model = recommender.model
    lines = pl.read_parquet(path).select(
        pl.col("customer_id", "product_id", "order_id").cast(pl.String),
        time=pl.col("event_time").dt.epoch("s"),
    )
    orders = lines.group_by("order_id", "customer_id", maintain_order=True).agg(
        pl.col("product_id").unique(), pl.col("time").max()
    )
    for _, customer_id, products, time in orders.sort("time", "order_id").iter_rows():
        customer = model.customers.index(customer_id)
        items = np.sort(model.catalogue.items.indices(products))
        if customer != MISSING and len(items):
            yield Basket(customer, items.astype(np.int32), float(time))


def _query(recommender: Recommender, customer: int, **fields: object) -> Query:
    query = Query(
        customer=customer,
        place=recommender.place(customer, Location()),
        now=recommender.model.data_end,
        size=LENGTH,
    )
    return replace(query, **fields)  # type: ignore[arg-type]  # fields of Query


@app.command("together")
def together(
    registry: RegistryOption,
    orders: OrdersOption,
    sample: Annotated[int, typer.Option(help="Baskets drawn at random.")] = 4_000,
) -> None:
    """Hit rate @10 of a product taken out of each basket of 3 to 10."""
    _, recommender = load(registry, "current")
    rng = np.random.default_rng(SEED)
    baskets = [
        basket
        for basket in _orders(recommender, orders)
        if SIZES[0] <= len(basket.items) <= SIZES[1]
    ]
    drawn = np.sort(rng.permutation(len(baskets))[:sample])
    hits: dict[str, list[bool]] = {}
    with threadpool_limits(1, "blas"):
        for basket in (baskets[i] for i in drawn.tolist()):
            at = int(rng.integers(len(basket.items)))
            hidden, rest = int(basket.items[at]), np.delete(basket.items, at)
            for name, items in _lists(recommender, basket.customer, rest).items():
                hits.setdefault(name, []).append(hidden in items)
    figures = {name: np.array(found, np.float64) for name, found in hits.items()}
    _print(
        {
            "n_baskets": len(drawn),
            "hit_rate@10": _intervals(figures),
            "the shopper's over nobody's": _margin(figures["the shopper's"], figures["nobody's"]),
        }
    )


def _lists(
    recommender: Recommender, customer: int, basket: NDArray[np.int32]
) -> Mapping[str, NDArray[np.int32]]:
    model = recommender.model
    assert model.baskets is not None
    pairs = model.baskets.products
    popularity = np.empty(len(model.catalogue), np.float64)
    popularity[model.popularity.order] = -np.arange(len(model.catalogue))
    counted = _co_purchases(pairs, basket)
    asked = _query(recommender, customer, basket=basket)
    nobody = replace(asked, customer=MISSING, place=ANYWHERE)
    return {
        "popularity": _best(popularity, basket),
        "co-purchases": _best(counted, basket),
        "co-purchases over popularity^.3": _best(
            counted / np.maximum(pairs.n_with, 1) ** 0.3, basket
        ),
        "nobody's": recommender.together(nobody).items,
        "the shopper's": recommender.together(asked).items,
    }


def _co_purchases(pairs: Pairs, basket: NDArray[np.int32]) -> Scores:
    """The mean share of the baskets with a product of this one that had each other."""
    scores = np.zeros(len(pairs.n_with))
    for item in basket.tolist():
        items, both = pairs.both.row(item)
        scores[items] += both / max(float(pairs.n_with[item]), 1.0)
    return scores


def _best(scores: Scores, left_out: NDArray[np.int32]) -> NDArray[np.int32]:
    scores = scores.copy()
    scores[left_out] = -np.inf
    return np.argsort(-scores, kind="stable")[:LENGTH].astype(np.int32)


@app.command("again")
def again(registry: RegistryOption, orders: OrdersOption) -> None:
    """Precision and recall @10 of what is bought within a week, of all that is."""
    _, recommender = load(registry, "current")
    model = recommender.model
    until = model.data_end + AGAIN_DAYS * SECONDS_A_DAY
    bought: dict[int, list[NDArray[np.int32]]] = {}
    for basket in _orders(recommender, orders):
        if basket.time <= until:
            bought.setdefault(basket.customer, []).append(basket.items)
    found: dict[str, list[tuple[float, float]]] = {}
    with threadpool_limits(1, "blas"):
        for customer, parts in sorted(bought.items()):
            relevant = np.unique(np.concatenate(parts))
            profile = model.histories.profile(customer)
            lists = {
                "recsvc": recommender.again(_query(recommender, customer)).ranking.items,
                "own frequency, 30 days": profile.items[np.argsort(-profile.short, kind="stable")],
                "own frequency, 120 days": profile.items[np.argsort(-profile.long, kind="stable")],
            }
            for name, items in lists.items():
                n_hits = np.isin(items[:LENGTH], relevant).sum()
                found.setdefault(name, []).append((n_hits / LENGTH, n_hits / len(relevant)))
    figures = {name: np.array(pairs) for name, pairs in found.items()}
    answer: dict[str, object] = {"n_customers": len(bought)}
    for column, metric in enumerate(("precision@10", "recall@10")):
        by_list = {name: values[:, column] for name, values in figures.items()}
        answer[metric] = _intervals(by_list)
        best = max((name for name in by_list if name != "recsvc"), key=lambda n: by_list[n].mean())
        answer[f"{metric} over {best}"] = _margin(by_list["recsvc"], by_list[best])
    _print(answer)


@app.command("stages")
def stages(
    registry: RegistryOption,
    orders: OrdersOption,
    sample: Annotated[int, typer.Option(help="Customers drawn at random.")] = 500,
) -> None:
    """How the lists of each stage differ, for customers half way through an order."""
    _, recommender = load(registry, "current")
    firsts: dict[int, Basket] = {}
    for basket in _orders(recommender, orders):
        if len(basket.items) >= SIZES[0]:
            firsts.setdefault(basket.customer, basket)
    drawn = np.random.default_rng(SEED).permutation(sorted(firsts))[:sample]
    rows: dict[str, list[dict[str, float]]] = {stage.value: [] for stage in Stage}
    with threadpool_limits(1, "blas"):
        for customer in drawn.tolist():
            items = firsts[customer].items
            half = max(2, len(items) // 2)
            query = _query(recommender, customer, basket=items[:half], session=items[half:][:1])
            plain = recommender.recommend(query).items
            for stage in Stage:
                listed = recommender.recommend(replace(query, stage=stage)).items
                traits = _traits(recommender, query, listed, plain)
                # What is in view is among what was bought: of that no stage is asked.
                hits = np.isin(items[half + 1 :], listed)
                traits["share_of_rest"] = float(hits.mean()) if len(hits) else np.nan
                rows[stage.value].append(traits)
    _print(
        {
            stage: {
                name: round(float(np.nanmean([row[name] for row in found])), 3) for name in found[0]
            }
            for stage, found in rows.items()
        }
        | {"n_customers": len(drawn)}
    )


def _traits(
    recommender: Recommender,
    query: Query,
    listed: NDArray[np.int32],
    plain: NDArray[np.int32],
) -> dict[str, float]:
    """What a list is like, for who has a basket and a product in view."""
    model = recommender.model
    assert model.baskets is not None
    likeness = Likeness.of(model.catalogue, None, np.zeros(0, np.float32))
    kinds, prices = model.catalogue.category, model.statistics.log_price
    lifts = model.baskets.products.log_lifts(query.basket, listed, prior=1.0)
    is_beside = lifts.max(axis=0) > np.log(2)  # twice as often as chance
    differs = ~np.isin(kinds[listed], kinds[query.basket])
    own = model.histories.profile(query.customer).purchased
    return {
        "n": float(len(listed)),
        "share_new": float(1 - np.isin(listed, own).mean()),
        "share_beside": float(is_beside.mean()),
        "lift": float(np.exp(lifts.max(axis=0).mean())),
        "share_of_basket_categories": float(1 - differs.mean()),
        "share_of_category_in_view": float(np.isin(kinds[listed], kinds[query.session]).mean()),
        "usual_price": float(np.exp(np.nanmedian(prices[listed]))),
        "usual_price_of_basket": float(np.exp(np.nanmedian(prices[query.basket]))),
        "n_categories": float(len(np.unique(kinds[listed]))),
        "distance": mean_distance(likeness.among(listed)),
        "shared_with_no_stage": float(np.isin(listed, plain).mean()),
    }


def _intervals(figures: Mapping[str, Scores]) -> dict[str, list[float]]:
    found = bootstrap_each(np.stack([*figures.values()], axis=1))
    return {
        name: [round(x, 4) for x in (interval.mean, interval.low, interval.high)]
        for name, interval in zip(figures, found, strict=True)
    }


def _margin(one: Scores, other: Scores) -> list[float]:
    interval = paired_bootstrap(one, other)
    return [round(x, 4) for x in (interval.mean, interval.low, interval.high)]


def _print(figures: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    raise SystemExit(run(app))
