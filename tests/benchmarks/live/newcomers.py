"""What a customer gets whom the model has never seen, after some orders that were replayed live."""

from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console

from recsvc.artifacts.registry import Registry
from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.core.vocabulary import MISSING
from recsvc.service.models import LoadedModel, load_model
from recsvc.service.questions import Question
from recsvc.service.shopping import Event, Line, LiveProfile, Person, Shopper
from recsvc.service.situations import Asker, situate
from recsvc.store.profile_format import deed_of
from training.pipeline import fit
from training.progress import ConsoleReporter
from training.purchases import FitInput
from training.settings import PRESETS

N_CUSTOMERS = 300
N_ORDERS = (0, 1, 3, 10)
DEPTH = 10


def newcomers(
    history: Path, test: Path, products: Path | None, preset: str, work: Path
) -> dict[str, object]:
    """Hold customers out, replay their last orders, and compare with a model that has them.

    Args:
        history: purchases with ``customer_id, product_id, event_time, order_id, quantity``.
        test: ``customer_id, product_id`` of what was bought next.
        products: file of products.
        preset: of both models.
        work: folder for the two histories and models.

    Returns:
        Mean nDCG@10 of all purchases, by the number of orders replayed.
    """
    work.mkdir(parents=True, exist_ok=True)
    purchases, future = pl.read_parquet(history), pl.read_parquet(test)
    n_orders = purchases.group_by("customer_id").agg(pl.col("order_id").n_unique())
    regular = n_orders.filter(pl.col("order_id") >= max(N_ORDERS))["customer_id"]
    known = sorted({*regular.to_list()} & {*future["customer_id"].to_list()})
    held = np.random.default_rng(0).choice(known, N_CUSTOMERS, replace=False).tolist()
    rest = purchases.filter(~pl.col("customer_id").is_in(held))
    orders = (
        purchases.filter(pl.col("customer_id").is_in(held))
        .with_columns(ago=pl.col("event_time").rank("dense", descending=True).over("customer_id"))
        .filter(pl.col("ago") <= max(N_ORDERS))
        .sort("customer_id", "event_time")
    )
    without = _model(rest, products, preset, work / "without")
    trained = _model(pl.concat([rest, orders.drop("ago")]), products, preset, work / "with")
    bought = future.filter(pl.col("customer_id").is_in(held)).group_by("customer_id")
    wanted = dict(bought.agg(pl.col("product_id").cast(pl.String).unique()).iter_rows())
    replayed = {
        n: _mean(without, wanted, {c: _live(orders, c, n) for c in wanted}) for n in N_ORDERS
    }
    reference = _mean(trained, wanted, {c: LiveProfile(0, ()) for c in wanted})
    return {
        "n_customers": len(wanted),
        "preset": preset,
        "ndcg@10": {f"{n} orders": round(value, 4) for n, value in replayed.items()},
        "trained_with_10_orders": round(reference, 4),
        "share_after_10": round(replayed[max(N_ORDERS)] / reference, 4),
    }


def _model(rows: pl.DataFrame, products: Path | None, preset: str, folder: Path) -> LoadedModel:
    path = folder.with_suffix(".parquet")
    rows.write_parquet(path)
    registry = Registry(folder)
    source = FitInput(events=[path], products=products)
    with ConsoleReporter(Console(stderr=True)) as reporter:
        manifest = fit(source, PRESETS[preset], registry, reporter)
    return load_model(registry, manifest.version_id)


def _live(orders: pl.DataFrame, customer: str, n_orders: int) -> LiveProfile:
    """The last orders of a customer, as the service would hold them."""
    theirs = orders.filter((pl.col("customer_id") == customer) & (pl.col("ago") <= n_orders))
    deeds = []
    for (order,), lines in theirs.group_by(["order_id"], maintain_order=True):
        event = Event(
            event_id=str(order),
            act=Act.PURCHASE,
            shopper=Shopper(Person.CUSTOMER, str(customer), "0"),
            time=lines["event_time"].min().timestamp(),  # type: ignore[union-attr]  # a column of times
            lines=tuple(
                Line(str(product), float(quantity or 1))
                for product, quantity in lines.select("product_id", "quantity").iter_rows()
            ),
            location=Location(store_id=str(lines["store_id"][0])),
            order_id=str(order),
        )
        deeds.append(deed_of(event, 0))
    return LiveProfile(len(deeds), tuple(deeds))


def _mean(loaded: LoadedModel, wanted: dict[str, list[str]], live: dict[str, LiveProfile]) -> float:
    """Mean nDCG@10 at the end of the model's data."""
    discount = 1 / np.log2(np.arange(2, DEPTH + 2))
    ideal = np.cumsum(discount)
    values = []
    for customer, products in wanted.items():
        index = loaded.model.customers.index(str(customer))
        asker = Asker(str(customer), "0", live[customer])
        assert (index == MISSING) or not live[customer].deeds
        question = Question(size=DEPTH, as_of_time=loaded.model.data_end)
        query = situate(question, loaded, loaded.model.data_end, asker).query
        found = loaded.recommender.recommend(query).items
        listed = loaded.model.catalogue.items.ids.take(found.tolist())
        hits = np.array([product in products for product in listed], np.float64)
        values.append(float(hits @ discount[: len(hits)]) / ideal[min(len(products), DEPTH) - 1])
    return float(np.mean(values))
