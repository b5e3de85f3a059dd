"""``python -m tests.benchmarks.diversity run``: what each level gives, and what it costs.

For every level: nDCG@10 of all purchases and of new products, and of the first ten products of each
list the intra-list distance by category and brand, by factors, and the number of categories.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from recsvc.core.diversity import Diversity, Likeness
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.sources import Collaborative
from recsvc.core.vocabulary import MISSING
from recsvc.terminal import new_app, run
from tests.distance import mean_distance
from training.column import Column
from training.evaluate import evaluate, target_customers
from training.metrics import NOTHING
from training.options import load
from training.significance import bootstrap_each

app = new_app("Measure the levels of diversity on what was bought next.")

LENGTH = 10


@app.command("run")
def main(
    registry: Annotated[str, typer.Option(help="Model registry.")],
    test: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, help="Parquet: customer_id, product_id bought next."
        ),
    ],
    sample: Annotated[int, typer.Option(help="Customers drawn at random.")] = 1_000,
) -> None:
    """Print one row a level, as JSON."""
    _, recommender = load(registry, "current")
    targets = _targets(recommender, pl.read_parquet(test))
    customers = target_customers(targets, sample)
    rows: dict[str, dict[str, float]] = {}
    plain: dict[Task, Column] = {}
    for level in Diversity:
        with threadpool_limits(1, "blas"):
            columns = evaluate(
                recommender,
                targets,
                recommender.model.data_end,
                {"recsvc": recommender.model.rankers},
                customers=customers,
                diversity=level,
            )["recsvc"]
        plain = plain or columns
        rows[level.value] = _figures(recommender, columns, plain)
    sys.stdout.write(json.dumps({"customers": len(customers), "levels": rows}, indent=2) + "\n")


def _targets(recommender: Recommender, bought: pl.DataFrame) -> csr_array:
    model = recommender.model
    pairs = bought.select(pl.col("customer_id", "product_id").cast(pl.String)).unique()
    items = np.array([model.catalogue.items.index(p) for p in pairs["product_id"]], np.int32)
    customers = np.array([model.customers.index(c) for c in pairs["customer_id"]], np.int32)
    known = (items != MISSING) & (customers != MISSING)
    shape = (len(model.customers), len(model.catalogue))
    return csr_array((np.ones(known.sum()), (customers[known], items[known])), shape)


def _figures(
    recommender: Recommender, columns: dict[Task, Column], plain: dict[Task, Column]
) -> dict[str, float]:
    figures: dict[str, float] = {}
    for task, column in columns.items():
        given_up = bootstrap_each((column.ndcg - plain[task].ndcg)[:, None])[0]
        figures[f"ndcg@10 {task.value}"] = round(float(column.ndcg.mean()), 4)
        figures[f"change {task.value}"] = round(given_up.mean, 4)
        figures[f"change {task.value} low"] = round(given_up.low, 4)
        figures[f"change {task.value} high"] = round(given_up.high, 4)
    lists = [row[:LENGTH][row[:LENGTH] != NOTHING] for row in columns[Task.ALL].lists]
    return figures | {
        name: round(float(np.mean([measure(items) for items in lists])), 4)
        for name, measure in _measures(recommender).items()
    }


def _measures(recommender: Recommender) -> dict[str, Callable[[NDArray[np.int32]], float]]:
    model = recommender.model
    nothing = np.zeros(len(model.catalogue), np.float32)
    by_traits = Likeness.of(model.catalogue, None, nothing)
    found: dict[str, Callable[[NDArray[np.int32]], float]] = {}
    if by_traits.n_traits.any():
        found["ild@10 category and brand"] = lambda items: mean_distance(by_traits.among(items))
        found["categories@10"] = lambda items: len(set(model.catalogue.category[items].tolist()))
    source = model.source("collaborative")
    if isinstance(source, Collaborative):
        likeness = Likeness.of(model.catalogue, source.factors, source.factors.norms())
        by_factors = replace(
            likeness,
            traits=np.full_like(likeness.traits, MISSING),
            n_traits=np.zeros_like(likeness.n_traits),
        )
        found["ild@10 factors"] = lambda items: mean_distance(by_factors.among(items))
    return found


if __name__ == "__main__":
    raise SystemExit(run(app))
