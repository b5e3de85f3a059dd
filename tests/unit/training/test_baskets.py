"""Pairs of orders, counted by hand and by plain loops."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recsvc.core.baskets import Baskets, Pairs
from recsvc.core.vocabulary import MISSING
from tests.pairs import counted_baskets
from tests.purchases import SMALL, interactions_of, products_of, shop_interactions, shop_products
from training.interactions import Interactions
from training.models import baskets as counting
from training.models.baskets import MAX_LINES, fit_baskets
from training.models.catalogue import fit_catalogue
from training.settings import TrainingSettings


def orders(*baskets: str, **columns: object) -> list[dict[str, object]]:
    """Rows of orders, one a basket, each by another customer: products with spaces between."""
    return [
        {"customer_id": f"c{n}", "product_id": product, "day": n, "order_id": f"o{n}", **columns}
        for n, basket in enumerate(baskets)
        for product in basket.split()
    ]


def fitted(
    interactions: Interactions,
    settings: TrainingSettings = SMALL,
    products: pl.DataFrame | None = None,
) -> Baskets | None:
    return fit_baskets(interactions, fit_catalogue(interactions, products), settings)


def found(baskets: Baskets | None) -> Baskets:
    assert baskets is not None
    return baskets


def of_shop(interactions: Interactions) -> list[set[int]]:
    lines = interactions.lines.group_by("customer", "order").agg("item")
    return [set(items) for items in lines["item"].to_list()]


def assert_same(one: Pairs, other: Pairs) -> None:
    assert one.n_baskets == other.n_baskets
    np.testing.assert_array_equal(one.n_with, other.n_with)
    np.testing.assert_array_equal(one.both.indptr, other.both.indptr)
    np.testing.assert_array_equal(one.both.indices, other.both.indices)
    np.testing.assert_array_equal(one.both.values, other.both.values)
    np.testing.assert_allclose(one.close, other.close, rtol=1e-5)


def table(pairs: Pairs, values: Sequence[float]) -> dict[tuple[int, int], float]:
    rows = np.repeat(np.arange(len(pairs.n_with)), np.diff(pairs.both.indptr)).tolist()
    return dict(zip(zip(rows, pairs.both.indices.tolist(), strict=True), values, strict=True))


def test_pairs_are_counted_by_order() -> None:
    """Either way, each order once; those of three count half as close; one alone is a basket too.

    a is bought twice in one order, and that is still one basket.
    """
    products = found(fitted(interactions_of(*orders("a b", "a b c", "a a", "b c")))).products

    assert products.n_baskets == 4
    assert products.n_with.tolist() == [3, 3, 2]
    either_way = {(0, 1): (2, 1.5), (0, 2): (1, 0.5), (1, 2): (2, 1.5)}
    either_way |= {(j, i): counts for (i, j), counts in either_way.items()}
    both, close = products.both.values.tolist(), products.close.tolist()
    assert table(products, both) == {pair: n for pair, (n, _) in either_way.items()}
    assert table(products, close) == {pair: n for pair, (_, n) in either_way.items()}


def test_orders_of_one_number_by_two_customers_are_two() -> None:
    """Order ids are a shop's own, and may start again."""
    rows = orders("a b", "c d", order_id="1")

    products = found(fitted(interactions_of(*rows))).products

    assert products.n_baskets == 2
    assert set(table(products, products.both.values.tolist())) == {(0, 1), (1, 0), (2, 3), (3, 2)}


def test_what_is_bought_at_one_moment_is_an_order() -> None:
    """Where the events name none."""
    rows = orders("a b", "a c", order_id=None)

    assert found(fitted(interactions_of(*rows))).products.n_baskets == 2


def test_kinds_are_counted_as_products_are() -> None:
    """A kind once a basket; what is of none is in no pair, and its order is a basket still."""
    kinds = {"a": "Dairy", "b": "Bakery", "c": "Dairy"}
    products = products_of([{"product_id": p, "category_path": k} for p, k in kinds.items()])

    baskets = found(
        fitted(interactions_of(*orders("a b", "a c", "b c d", "d e")), products=products)
    )

    bakery, dairy = 0, 1
    assert baskets.kind.tolist() == [dairy, bakery, dairy, MISSING, MISSING]
    assert baskets.kinds.n_baskets == baskets.products.n_baskets == 4
    assert baskets.kinds.n_with.tolist() == [2, 3]
    assert table(baskets.kinds, baskets.kinds.both.values.tolist()) == {(0, 1): 2, (1, 0): 2}
    # Of four times dairy a and c are two each.
    assert baskets.share_of_kind.tolist() == [0.5, 1, 0.5, 0, 0]


def test_without_a_catalogue_there_are_products_alone() -> None:
    """No kind is known, and none is counted."""
    baskets = found(fitted(interactions_of(*orders("a b", "a b"))))

    assert baskets.kind.tolist() == [MISSING, MISSING]
    assert not len(baskets.kinds.n_with)
    assert baskets.share_of_kind.tolist() == [0, 0]


def test_counts_of_a_shop_are_those_of_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether all at once or a few products at a time."""
    interactions = shop_interactions()
    catalogue = fit_catalogue(interactions, products_of(shop_products().to_dicts()))
    expected = counted_baskets(of_shop(interactions), catalogue.category)

    for block_pairs in (counting.BLOCK_PAIRS, 500, 1):
        monkeypatch.setattr(counting, "BLOCK_PAIRS", block_pairs)
        baskets = found(fit_baskets(interactions, catalogue, SMALL))
        assert_same(baskets.products, expected.products)
        assert_same(baskets.kinds, expected.kinds)
        np.testing.assert_allclose(baskets.share_of_kind, expected.share_of_kind, rtol=1e-6)


def test_only_the_closest_partners_are_kept() -> None:
    """Of three that each was with, the one that is in small baskets; in baskets still ascending."""
    rows = orders("a d", "a d", "a b c", "a b c", "b c")

    few = found(fitted(interactions_of(*rows), replace(SMALL, basket_partners=1))).products

    assert table(few, few.both.values.tolist()) == {(0, 3): 2, (1, 2): 3, (2, 1): 3, (3, 0): 2}
    two = found(fitted(interactions_of(*rows), replace(SMALL, basket_partners=2))).products
    for product in range(4):
        assert (np.diff(two.both.row(product)[0]) > 0).all()


def test_of_equally_close_partners_the_first_are_kept() -> None:
    """Whatever the order in which a product of matrices comes by them."""
    crowd = [f"x{n:02}" for n in range(60)]
    rows = orders("a z", "a z", *(f"a {partner}" for partner in crowd))

    few = found(fitted(interactions_of(*rows), replace(SMALL, basket_partners=5))).products

    assert few.both.row(0)[0].tolist() == [1, 2, 3, 4, 61]


def test_a_wholesale_order_is_no_basket() -> None:
    """Its pairs are not counted, nor its products, nor itself."""
    wholesale = " ".join(f"w{n:03}" for n in range(MAX_LINES - 1))

    counted, left_out = (
        found(fitted(interactions_of(*orders("a b", f"a {wholesale}{more}")))).products
        for more in ("", " x")
    )

    assert (counted.n_baskets, left_out.n_baskets) == (2, 1)
    assert (counted.n_with[0], left_out.n_with[0]) == (2, 1)
    assert left_out.n_with.sum() == 2
    assert len(left_out.both.values) == 2


@pytest.mark.parametrize(
    "rows",
    [
        orders("a", "b", "c"),
        # One of eleven holds two.
        orders("a b", *"abcdefghij"),
        # All are wholesale.
        orders(*[" ".join(f"w{n:03}" for n in range(MAX_LINES + 1))] * 3),
        # Nothing tells orders apart.
        [{"customer_id": "a", "product_id": product} for product in "abc"],
    ],
)
def test_without_baskets_there_is_nothing_to_count(rows: list[dict[str, object]]) -> None:
    """Where hardly an order holds two products, or each holds a hundred; or there is no order."""
    interactions = interactions_of(*rows)

    assert fitted(interactions) is None
    assert fitted(interactions.select(interactions.lines["customer"] < 0)) is None


def test_orders_without_times_are_baskets() -> None:
    """An order id is enough."""
    rows = [{n: v for n, v in row.items() if n != "day"} for row in orders("a b", "a c")]
    interactions = interactions_of(*rows)

    assert not interactions.has_times
    assert found(fitted(interactions)).products.n_with.tolist() == [2, 1, 1]
