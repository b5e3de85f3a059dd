"""What lists make of products that came after training, placed by category, brand and title."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console

from recsvc.artifacts.registry import Registry
from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import Product, canonical_path
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.service.models import load_model
from training.pipeline import fit
from training.progress import ConsoleReporter
from training.purchases import FitInput
from training.settings import PRESETS

DAYS = 56
"""Products first sold so lately are new: the model is trained as if they had never been."""

DEPTH = 10


@dataclass(frozen=True)
class Scores:
    """Means over the customers of the test.

    Attributes:
        all_purchases, new_to_customer: nDCG@10 of the two kinds of list.
        new_products: of the customers who bought a new product, the share whose list has it.
    """

    all_purchases: float
    new_to_customer: float
    new_products: float

    def to_json(self) -> dict[str, float]:
        """Rounded, for reading."""
        return {
            "ndcg@10 all": round(self.all_purchases, 4),
            "ndcg@10 new": round(self.new_to_customer, 4),
            "new products hit@10": round(self.new_products, 4),
        }


def new_products(
    history: Path, test: Path, products: Path, preset: str, work: Path
) -> dict[str, object]:
    """Train without the latest products, and list with them and without.

    Args:
        history: purchases with ``customer_id, product_id, event_time``.
        test: ``customer_id, product_id`` of what was bought next.
        products: ``product_id, title`` and, where known, ``category_path, brand``.
        preset: of the model.
        work: folder for the shorter history and the model.
    """
    work.mkdir(parents=True, exist_ok=True)
    purchases, future = pl.read_parquet(history), pl.read_parquet(test)
    first = purchases.group_by("product_id").agg(pl.col("event_time").min())
    late = first.filter(pl.col("event_time") > purchases["event_time"].max() - timedelta(days=DAYS))  # type: ignore[operator]  # a column of times
    described = pl.read_parquet(products).join(late.select("product_id"), on="product_id")
    rest = work / "without.parquet"
    purchases.filter(~pl.col("product_id").is_in(late["product_id"].implode())).write_parquet(rest)
    registry = Registry(work / "without")
    with ConsoleReporter(Console(stderr=True)) as reporter:
        source = FitInput(events=[rest], products=products)
        manifest = fit(source, PRESETS[preset], registry, reporter)
    loaded = load_model(registry, manifest.version_id)
    bought = future.group_by("customer_id").agg(pl.col("product_id").cast(pl.String).unique())
    wanted = {str(customer): set(found) for customer, found in bought.iter_rows()}
    newcomers = [_product(row) for row in described.iter_rows(named=True)]
    without = loaded.recommender
    learnt = Assortment.learnt(loaded.model.catalogue)
    selling = without.selling(learnt.with_products(newcomers))
    names = {product.product_id for product in newcomers}
    return {
        "preset": preset,
        "n_customers": len(wanted),
        "n_new_products": len(newcomers),
        "without": measured(without, wanted, names).to_json(),
        "with": measured(selling, wanted, names).to_json(),
    }


def measured(recommender: Recommender, wanted: dict[str, set[str]], names: set[str]) -> Scores:
    """Score the lists of all customers at the end of the model's data.

    Args:
        recommender: makes the lists.
        wanted: by customer what was bought.
        names: of the new products.
    """
    model = recommender.model
    everything, unseen, hits = [], [], []
    for customer, products in wanted.items():
        index = model.customers.index(customer)
        before = model.histories.profile(index).purchased.tolist()
        fresh = products - set(model.catalogue.items.ids.take(before))
        listed = {only_new: _list(recommender, index, only_new=only_new) for only_new in (0, 1)}
        everything.append(_ndcg(listed[0], products))
        if fresh:
            unseen.append(_ndcg(listed[1], fresh))
        if products & names:
            hits.append(bool(products & names & set(listed[1])))
    return Scores(*(float(np.mean(values)) for values in (everything, unseen, hits)))


def _list(recommender: Recommender, customer: int, *, only_new: int) -> list[str]:
    query = Query(
        customer=customer,
        place=recommender.place(customer, Location()),
        size=DEPTH,
        now=recommender.model.data_end,
        only_new=bool(only_new),
    )
    items: NDArray[np.int32] = recommender.recommend(query).items
    return recommender.assortment.catalogue.items.ids.take(items.tolist())


def _ndcg(listed: list[str], wanted: set[str]) -> float:
    discount = 1 / np.log2(np.arange(2, DEPTH + 2))
    hits = np.array([product in wanted for product in listed], np.float64)
    return float(hits @ discount[: len(hits)] / discount[: min(len(wanted), DEPTH)].sum())


def _product(row: dict[str, object]) -> Product:
    return Product(
        product_id=str(row["product_id"]),
        title=str(row.get("title") or ""),
        category_path=canonical_path(str(row.get("category_path") or "")),
        brand=str(row.get("brand") or ""),
    )
