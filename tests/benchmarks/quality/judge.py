"""Judge lists against what was bought next: full ranking, binary relevance.

- Every customer of the test with at least one relevant product counts; without a list the
  figure is 0.
- nDCG@k takes ``min(k, relevant)`` hits at the top as ideal; recall@20 divides by all that
  is relevant.
- Of new products: those that the customer had bought are taken out of the lists (the rest
  moves up) and out of the test.
- Intervals are 95 % bootstrap intervals of the mean over customers; those of differences
  are paired, customer by customer.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsvc.errors import InputError
from tests.benchmarks.quality.datasets import PAIR
from tests.benchmarks.quality.measures import METRICS

DEPTHS = {metric: int(metric.partition("@")[2]) for metric in METRICS}
N_RESAMPLES = 2000
SEED = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over customers with its 95 % interval."""

    mean: float
    low: float
    high: float


def score(
    lists: pl.DataFrame,
    test: pl.DataFrame,
    bought: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Figures of every customer of the test.

    Args:
        lists: ``customer_id``, ``rank`` (any increasing numbers), ``product_id``.
        test: ``customer_id``, ``product_id``; a pair counts once.
        bought: the history's pairs; given, only what is new counts.

    Returns:
        ``customer_id`` (sorted) and a float64 column a metric.

    Raises:
        InputError: a null, or a product or rank twice in a list.
    """
    _check(lists)
    relevant = test.select(PAIR).unique()
    if bought is not None:
        pairs = bought.select(PAIR).unique()
        relevant = relevant.join(pairs, on=PAIR, how="anti")
        lists = lists.join(pairs, on=PAIR, how="anti")
    position = pl.col("rank").rank("ordinal").over("customer_id").cast(pl.Int64)
    hits = lists.with_columns(position.alias("position")).join(relevant, on=PAIR, how="semi")
    gains = hits.group_by("customer_id").agg(_gain(metric) for metric in METRICS)
    counted = relevant.group_by("customer_id").len("n_relevant").sort("customer_id")
    return (
        counted.join(gains, on="customer_id", how="left", maintain_order="left")
        .with_columns(pl.col(*METRICS).fill_null(0.0))
        .select("customer_id", *(pl.col(metric) / _ideal(metric) for metric in METRICS))
    )


def interval(values: NDArray[np.float64]) -> Interval:
    """Mean and bootstrap interval of one figure a customer; paired if of differences."""
    generator = np.random.default_rng(SEED)
    n = len(values)
    means = [values[generator.integers(0, n, n)].mean() for _ in range(N_RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def intervals(scores: pl.DataFrame) -> dict[str, Interval]:
    """An interval a metric."""
    return {metric: interval(scores[metric].to_numpy()) for metric in METRICS}


def lead(ours: pl.DataFrame, theirs: pl.DataFrame) -> dict[str, Interval]:
    """Paired differences, ours less theirs, of two results of ``score`` on the same test."""
    if not ours["customer_id"].equals(theirs["customer_id"]):
        raise InputError("the two were not judged on the same customers; run both again")
    return {metric: interval((ours[metric] - theirs[metric]).to_numpy()) for metric in METRICS}


def _check(lists: pl.DataFrame) -> None:
    used = lists.select(*PAIR, "rank")
    if used.null_count().sum_horizontal().item():
        raise InputError("the lists hold a null")
    for column in ("product_id", "rank"):
        if used.select("customer_id", column).is_duplicated().any():
            raise InputError(f"the lists hold the same {column} twice for one customer")


def _gain(metric: str) -> pl.Expr:
    within = pl.col("position") <= DEPTHS[metric]
    if metric.startswith("recall"):
        return within.sum().cast(pl.Float64).alias(metric)
    discounted = 1.0 / (pl.col("position") + 1.0).log(2.0)
    return discounted.filter(within).sum().alias(metric)


def _ideal(metric: str) -> pl.Expr:
    """What the best list reaches: by the number of relevant products."""
    if metric.startswith("recall"):
        return pl.col("n_relevant").cast(pl.Float64)
    depth = DEPTHS[metric]
    best = pl.Series(np.cumsum(1.0 / np.log2(np.arange(2, depth + 2))))
    return pl.lit(best).gather(pl.col("n_relevant").clip(1, depth) - 1)
