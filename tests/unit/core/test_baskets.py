"""What goes into a basket with what, on baskets that can be counted by hand."""

from dataclasses import replace
from math import log

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.baskets import COLUMNS, MAX_BASKET, PRIOR, Baskets, basket_columns
from recsvc.core.histories import NO_HISTORY
from recsvc.core.places import ANYWHERE
from recsvc.core.sources import Moment
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import MISSING
from tests.counting import DATA_END
from tests.pairs import counted_baskets, with_baskets
from tests.samples import item_indices, tiny_model

MODEL = with_baskets(tiny_model(), "milk bread", "milk bread butter", "milk", "bread jam")
"""Milk and bread are in three baskets, butter and jam in one; milk and butter are dairy."""
MILK, BREAD, BUTTER, JAM = item_indices(MODEL, "milk", "bread", "butter", "jam").tolist()
FREQUENT = 3**0.3
"""What is divided out of a product that is in three baskets; of one in one basket nothing is."""


def baskets() -> Baskets:
    assert MODEL.baskets is not None
    return MODEL.baskets


def items(*indices: int) -> NDArray[np.int32]:
    return np.array(indices, np.int32)


def close(expected: list[float]) -> object:
    """Numbers but for what float32 rounds."""
    return pytest.approx(expected, rel=1e-5, abs=1e-6)


def moment(*basket: int, forbidden: tuple[int, ...] = ()) -> Moment:
    allowed = np.ones(len(MODEL.catalogue), np.bool_)
    allowed[items(*forbidden)] = False
    return Moment(NO_HISTORY, ANYWHERE, allowed, DATA_END, basket=items(*basket))


def columns(counted: Baskets, basket: NDArray[np.int32], *of: int) -> dict[str, list[float]]:
    """The columns by their names, one number a candidate."""
    found = list(basket_columns(counted, basket, items(*of)))
    assert all(column.dtype == np.float32 for column in found)
    return {name: column.tolist() for name, column in zip(COLUMNS, found, strict=True)}


# The source.


def test_small_baskets_say_more_than_large_ones() -> None:
    """Bread was alone with milk once, and once one of two; butter one of two; each over 3 + 5."""
    (found,) = baskets().score(moment(MILK), items(BREAD, BUTTER, JAM))

    assert found == close([1.5 / 8 / FREQUENT, 0.5 / 8, 0])


def test_among_many_products_a_basket_says_what_it_says_among_few() -> None:
    """Though only those are looked at that were in a basket with one of it."""
    few, n_items = baskets(), 300_000
    small, n_more = few.products, n_items - len(few.products.n_with)
    indptr = np.append(small.both.indptr, np.full(n_more, small.both.indptr[-1]))
    pairs = replace(
        small,
        n_with=np.append(small.n_with, np.zeros(n_more, np.float32)),
        both=SparseRows(indptr, small.both.indices, small.both.values),
    )
    many = replace(few, products=pairs)
    asked = items(BREAD, BUTTER, JAM)
    (expected,) = few.score(moment(MILK, JAM), asked)

    among_many = replace(moment(MILK, JAM), allowed=np.ones(n_items, np.bool_))
    (found,) = many.score(among_many, asked)

    assert found == close(expected.tolist())
    proposed = many.propose(among_many, 10)
    assert sorted(proposed) == sorted(few.propose(moment(MILK, JAM), 10))
    assert found.dtype == np.float32


def test_a_basket_says_what_its_products_say_together() -> None:
    """Bread was with jam once, alone, beside what it was with milk."""
    (found,) = baskets().score(moment(MILK, JAM), items(BREAD))

    assert found == close([(1.5 / 8 + 1 / 6) / FREQUENT])


def test_proposals_are_allowed_and_were_in_baskets_with_these() -> None:
    """Nothing forbidden, nothing that was never with the basket, no more than asked for."""
    assert sorted(baskets().propose(moment(MILK), 9).tolist()) == [BUTTER, BREAD]
    assert baskets().propose(moment(MILK), 1).tolist() == [BREAD]
    assert baskets().propose(moment(MILK, forbidden=(BREAD,)), 9).tolist() == [BUTTER]
    assert not len(baskets().propose(moment(), 9))


def test_of_a_large_basket_the_rarest_products_are_looked_at() -> None:
    """Of 32 products, which stay in their order, the two in the most baskets are left out."""
    n_items = MAX_BASKET + 2
    everything = set(range(n_items))
    counted = counted_baskets(
        [everything, {0, 7}, {7, 30}, {1}], np.full(n_items, MISSING, np.int32)
    )
    large = np.arange(n_items, dtype=np.int32)

    # 7 is in three baskets; of those in two the later ones in the list give way.
    assert counted.looked_at(large).tolist() == sorted(everything - {7, 30})
    assert counted.looked_at(large[:MAX_BASKET]).tolist() == large[:MAX_BASKET].tolist()


def test_baskets_go_through_arrays() -> None:
    """Also the number of baskets where categories were seldom known."""
    one = baskets()
    other = Baskets.from_arrays(one.to_arrays("baskets"), "baskets", one.to_parameters())

    whole, restored = (columns(b, items(MILK, JAM), BUTTER, BREAD) for b in (one, other))
    assert restored == whole
    assert other.to_arrays("b").keys() == one.to_arrays("b").keys()
    assert other.products.n_baskets == other.kinds.n_baskets == 4


# The columns.


def test_columns_are_counted() -> None:
    """Milk and jam are in the basket, butter and bread might be."""
    found = columns(baskets(), items(MILK, JAM), BUTTER, BREAD)

    assert found["share_sum"] == close([1 / 8, 2 / 8 + 1 / 6])
    assert found["share_max"] == close([1 / 8, 2 / 8])
    assert found["close_sum"] == close([0.5 / 8, 1.5 / 8 + 1 / 6])
    assert found["close_max"] == close([0.5 / 8, 1.5 / 8])
    assert found["leaning_sum"] == close([0.5 / 8, (1.5 / 8 + 1 / 6) / FREQUENT])
    assert found["leaning_max"] == close([0.5 / 8, 1.5 / 8 / FREQUENT])
    assert found["n_both_sum"] == close([log(2), log(3) + log(2)])
    assert found["n_both_max"] == close([log(2), log(3)])
    assert found["n_basket"] == [2, 2]
    for of in ("share", "close", "leaning"):
        assert found[f"{of}_rank"] == [1, 0]


def test_lifts_are_what_was_counted_over_what_chance_expects() -> None:
    """One basket is added to both: with milk .75 of butter and 2.25 of bread are expected."""
    found = columns(baskets(), items(MILK, JAM), BUTTER, BREAD)

    with_milk = [log(2 / 1.75), log(3 / 3.25)]
    with_jam = [log(1 / 1.25), log(2 / 1.75)]
    assert found["lift_sum"] == close([with_milk[0] + with_jam[0], with_milk[1] + with_jam[1]])
    assert found["lift_max"] == close([with_milk[0], with_jam[1]])
    assert found["lift_min"] == close([with_jam[0], with_milk[1]])
    assert found["lift_rank"] == [1, 0]


def test_kinds_are_lifted_as_products_are() -> None:
    """Dairy and bakery are in three baskets each, two of them the same; spreads in one."""
    found = columns(baskets(), items(MILK, JAM), BUTTER, BREAD)

    prior = float(PRIOR)
    # Nothing is counted with itself, not even a kind.
    dairy = [log(prior / (9 / 4 + prior)), log((2 + prior) / (9 / 4 + prior))]
    spreads = [log(prior / (3 / 4 + prior)), log((1 + prior) / (3 / 4 + prior))]
    assert found["kind_lift_mean"] == close(
        [(dairy[0] + spreads[0]) / 2, (dairy[1] + spreads[1]) / 2]
    )
    assert found["kind_lift_max"] == close([spreads[0], spreads[1]])
    assert found["kind_lift_min"] == close([dairy[0], dairy[1]])
    assert found["n_same_kind"] == [1, 0]
    assert found["share_of_kind"] == close([1 / 4, 1])


def test_a_kind_of_the_basket_counts_once() -> None:
    """Two dairy products weigh as one in the mean of the lifts with dairy and with spreads."""
    two, one = (columns(baskets(), items(*of, JAM), BREAD) for of in ((MILK, BUTTER), (MILK,)))

    assert two["kind_lift_mean"] == one["kind_lift_mean"]


@pytest.mark.parametrize(
    ("unknown", "lifts_butter"),
    [((MILK, BREAD, BUTTER, JAM), False), ((MILK, JAM, BREAD), False), ((BREAD, JAM), True)],
)
def test_what_is_of_no_kind_has_no_lift_of_it(
    unknown: tuple[int, ...], *, lifts_butter: bool
) -> None:
    """Neither a candidate nor a basket: no two are alike by it; what products say stays."""
    kind = MODEL.catalogue.category.copy()
    kind[items(*unknown)] = MISSING
    found = columns(replace(baskets(), kind=kind), items(MILK, JAM), BREAD, BUTTER)

    for how in ("mean", "max", "min"):
        bread, butter = found[f"kind_lift_{how}"]
        assert bread == 0
        assert (butter != 0) is lifts_butter
    assert found["n_same_kind"] == [0, 1 if lifts_butter else 0]
    assert found["share_sum"] == close([2 / 8 + 1 / 6, 1 / 8])


@pytest.mark.parametrize("basket", [(), (MILK,)])
def test_nothing_to_compare_is_no_error(basket: tuple[int, ...]) -> None:
    """Without a basket all is 0, without a candidate there is no row."""
    none = columns(baskets(), items(*basket))
    assert all(column == [] for column in none.values())
    empty = columns(baskets(), items(), BREAD)
    assert all(column == [0] for column in empty.values())
