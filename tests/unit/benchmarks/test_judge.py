"""The benchmark's judge: by hand, and against a plain reading of its definitions."""

from math import log2
from random import Random

import numpy as np
import polars as pl
import pytest

from recsvc.errors import InputError
from tests.benchmarks.quality.judge import interval, lead, score


def lists_of(lists: dict[str, list[str]]) -> pl.DataFrame:
    rows = [
        (customer, rank, product)
        for customer, products in lists.items()
        for rank, product in enumerate(products, 1)
    ]
    return pl.DataFrame(rows, schema=["customer_id", "rank", "product_id"], orient="row")


def pairs_of(pairs: dict[str, list[str]]) -> pl.DataFrame:
    rows = [(customer, product) for customer, products in pairs.items() for product in products]
    return pl.DataFrame(
        rows, schema={"customer_id": pl.String, "product_id": pl.String}, orient="row"
    )


def test_hits_are_discounted_by_their_rank() -> None:
    """The discounted hits are divided by the best possible ones, recall by all relevant."""
    lists = lists_of({"a": ["x", "p", "q", "y"]})
    scores = score(lists, pairs_of({"a": ["p", "y", "z"]}))
    ideal = 1 + 1 / log2(3) + 1 / log2(4)
    assert scores["ndcg@10"].item() == pytest.approx((1 / log2(3) + 1 / log2(5)) / ideal)
    assert scores["recall@20"].item() == pytest.approx(2 / 3)


def test_only_the_first_ten_and_twenty_count() -> None:
    """A hit at rank 11 counts for nDCG@20 and recall@20, one at rank 21 for nothing."""
    products = [f"p{n}" for n in range(1, 23)]
    scores = score(lists_of({"a": products}), pairs_of({"a": ["p11", "p21"]}))
    assert scores["ndcg@10"].item() == 0.0
    assert scores["ndcg@20"].item() == pytest.approx((1 / log2(12)) / (1 + 1 / log2(3)))
    assert scores["recall@20"].item() == 0.5


def test_everybody_with_something_relevant_counts() -> None:
    """A customer without a list has 0; one who is not in the test is not there."""
    scores = score(lists_of({"a": ["p"], "c": ["p"]}), pairs_of({"b": ["p"], "a": ["p"]}))
    assert scores["customer_id"].to_list() == ["a", "b"]
    assert scores["ndcg@10"].to_list() == [1.0, 0.0]


def test_new_takes_bought_products_out_of_lists_and_test() -> None:
    """The rest of the list moves up; a customer with nothing new to find is left out."""
    scores = score(
        lists_of({"a": ["old", "p"], "b": ["old"]}),
        pairs_of({"a": ["old", "p"], "b": ["old"]}),
        pairs_of({"a": ["old"], "b": ["old"]}),
    )
    assert scores["customer_id"].to_list() == ["a"]
    assert scores["ndcg@10"].item() == 1.0


def test_ranks_need_only_increase() -> None:
    """Ranks that start anywhere and leave gaps give the same figures."""
    lists = lists_of({"a": ["x", "p"]})
    moved = lists.with_columns(pl.col("rank") * 10 + 5)
    test = pairs_of({"a": ["p"]})
    assert score(lists, test).equals(score(moved.reverse(), test))


def test_a_pair_counts_once() -> None:
    """The same product bought twice in the test is one relevant product."""
    scores = score(lists_of({"a": ["p"]}), pairs_of({"a": ["p", "p"]}))
    assert scores["recall@20"].item() == 1.0


@pytest.mark.parametrize(
    ("column", "values", "word"),
    [
        ("product_id", ["p", "p"], "same product_id twice"),
        ("rank", [1, 1], "same rank twice"),
        ("rank", [1, None], "null"),
    ],
)
def test_unusable_lists_are_refused(column: str, values: list[object], word: str) -> None:
    """Doubled products, doubled ranks and nulls are errors, not figures."""
    lists = lists_of({"a": ["p", "q"]}).with_columns(pl.Series(column, values))
    with pytest.raises(InputError, match=word):
        score(lists, pairs_of({"a": ["p"]}))


def test_agrees_with_a_plain_reading() -> None:
    """On random lists the figures are those of a loop that follows the definitions."""
    random = Random(7)
    products = [f"p{n}" for n in range(60)]
    lists = {f"c{n}": random.sample(products, random.randint(1, 30)) for n in range(40)}
    test = {f"c{n}": random.sample(products, random.randint(1, 30)) for n in range(50)}
    scores = score(lists_of(lists), pairs_of(test))
    for row in scores.iter_rows(named=True):
        ranked, relevant = lists.get(row["customer_id"], []), set(test[row["customer_id"]])
        for depth in (10, 20):
            gain = sum(1 / log2(at + 2) for at, p in enumerate(ranked[:depth]) if p in relevant)
            ideal = sum(1 / log2(at + 2) for at in range(min(depth, len(relevant))))
            assert row[f"ndcg@{depth}"] == pytest.approx(gain / ideal)
        assert row["recall@20"] == pytest.approx(len(relevant & set(ranked[:20])) / len(relevant))


def test_an_interval_holds_its_mean_and_narrows() -> None:
    """The interval surrounds the mean and shrinks with the root of the customers."""
    few = interval(np.random.default_rng(1).random(100))
    many = interval(np.random.default_rng(1).random(10_000))
    assert few.low < few.mean < few.high
    assert many.high - many.low == pytest.approx((few.high - few.low) / 10, rel=0.25)


def test_the_lead_is_paired() -> None:
    """A constant difference has no width, however much the customers differ."""
    base = pl.DataFrame(
        {"customer_id": ["a", "b"], "ndcg@10": [0.1, 0.8], "ndcg@20": [0.1, 0.8]}
    ).with_columns(pl.lit(0.5).alias("recall@20"))
    better = base.with_columns(pl.col("ndcg@10") + 0.1)
    ahead = lead(better, base)["ndcg@10"]
    assert (ahead.mean, ahead.low, ahead.high) == pytest.approx((0.1, 0.1, 0.1))
    with pytest.raises(InputError, match="same customers"):
        lead(better.head(1), base)
