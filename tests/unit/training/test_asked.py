"""Questions of the past: what is asked, and what would have answered it."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.places import ANYWHERE
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING
from tests.purchases import built, interactions_of
from tests.quick import QUICK
from training.asked import AGAIN_DAYS, BASKET_SIZES, again, baskets, lists
from training.evaluate import target_customers
from training.split import HoldOut, Split, hold_out

MANY = 10_000


def orders(held_out: HoldOut) -> dict[int, list[set[int]]]:
    """Customer: the baskets of the window that may be asked about."""
    found: dict[int, list[set[int]]] = {}
    lines = held_out.known_lines().group_by("customer", "order").agg("item")
    for customer, items in lines.select("customer", "item").iter_rows():
        if BASKET_SIZES[0] <= len(items) <= BASKET_SIZES[1]:
            found.setdefault(customer, []).append(set(items))
    return found


@pytest.mark.parametrize("task", [Task.TOGETHER, Task.TOGETHER_COLD])
def test_one_product_is_taken_out_of_each_basket(
    recommender: Recommender, held_out: HoldOut, task: Task
) -> None:
    """With it the basket is one of the window's; each is asked about once."""
    asked = list(baskets(recommender, held_out, task, MANY, seed=0))

    whole = [{*one.query.basket.tolist(), *one.relevant.tolist()} for one in asked]
    expected = [basket for of in orders(held_out).values() for basket in of]
    assert sorted(map(sorted, whole)) == sorted(map(sorted, expected))
    for one, basket in zip(asked, whole, strict=True):
        assert len(one.relevant) == 1
        assert len(one.query.basket) == len(basket) - 1
        assert one.query.now == held_out.now


def test_shoppers_are_asked_for_at_home(recommender: Recommender, held_out: HoldOut) -> None:
    """Each basket of the one whose it was."""
    theirs = orders(held_out)
    for one in baskets(recommender, held_out, Task.TOGETHER, MANY, seed=0):
        customer = one.query.customer
        assert {*one.query.basket.tolist(), *one.relevant.tolist()} in theirs[customer]
        home = recommender.model.histories.homes[customer].tolist()
        assert list(one.query.place.indices) == home


def test_nobody_is_asked_for_somewhere_and_nowhere(
    recommender: Recommender, held_out: HoldOut
) -> None:
    """The same baskets of nobody in particular, every other one without a place."""
    known = list(baskets(recommender, held_out, Task.TOGETHER, MANY, seed=0))
    cold = list(baskets(recommender, held_out, Task.TOGETHER_COLD, MANY, seed=0))

    assert {one.query.customer for one in cold} == {MISSING}
    assert all(one.query.place == ANYWHERE for one in cold[::2])
    assert [one.query.place for one in cold[1::2]] == [one.query.place for one in known[1::2]]
    assert any(one.query.place != ANYWHERE for one in cold)


def test_baskets_are_drawn_by_the_seed(recommender: Recommender, held_out: HoldOut) -> None:
    """At most so many; another seed draws others and takes out other products."""

    def drawn(n: int, seed: int) -> list[tuple[list[int], int]]:
        asked = baskets(recommender, held_out, Task.TOGETHER, n, seed)
        return [(one.query.basket.tolist(), int(one.relevant[0])) for one in asked]

    assert len(drawn(7, 0)) == 7
    assert drawn(7, 0) == drawn(7, 0) != drawn(7, 1)
    assert drawn(MANY, 0) != drawn(MANY, 1)


def test_a_basket_of_one_or_of_too_many_is_not_asked_about() -> None:
    """Nothing is left of the one; of the other anything might be missing."""
    products = [f"p{n:02}" for n in range(BASKET_SIZES[1] + 1)]
    rows = [
        {"customer_id": "a", "product_id": product, "day": day, "order_id": f"{day}"}
        for day, n in enumerate([len(products), len(products), 1, BASKET_SIZES[1]])
        for product in products[:n]
    ]
    held_out = hold_out(interactions_of(*rows), 2.5 * SECONDS_A_DAY, seed=0)
    recommender = Recommender(built(held_out.history, QUICK))

    asked = list(baskets(recommender, held_out, Task.TOGETHER, MANY, seed=0))

    assert [len(one.query.basket) for one in asked] == [BASKET_SIZES[1] - 1]


def test_only_repeats_within_a_week_are_needed_again(
    recommender: Recommender, held_out: HoldOut
) -> None:
    """Of those asked about, who bought something again; to all else there is no answer."""
    customers = target_customers(held_out.targets())[:60]
    week = pl.col("time") <= held_out.now + AGAIN_DAYS * SECONDS_A_DAY
    expected: dict[int, set[int]] = {}
    for customer, item in held_out.known_lines().filter(week)["customer", "item"].iter_rows():
        own = recommender.model.histories.profile(customer).items.tolist()
        if customer in customers.tolist() and item in own:
            expected.setdefault(customer, set()).add(item)

    asked = list(again(recommender, held_out, customers))

    assert {one.query.customer: set(one.relevant.tolist()) for one in asked} == expected
    assert len(asked) == len(expected) < len(customers)
    for one in asked:
        case = recommender.candidates(one.query, Task.AGAIN)
        assert set(one.relevant.tolist()) <= set(case.items.tolist())


def test_last_orders_are_no_week(recommender: Recommender, held_out: HoldOut) -> None:
    """What each bought last, whenever that was, does not say what is needed again this week."""
    customers = target_customers(held_out.targets())[:60]
    last = replace(held_out, method=Split.LAST_ORDERS)

    assert list(again(recommender, held_out, customers))
    assert not list(again(recommender, last, customers))


def test_who_bought_nothing_next_is_asked_for_nothing(
    recommender: Recommender, held_out: HoldOut
) -> None:
    """One question a customer, in their order; None where nothing counts."""
    customers = np.arange(20, dtype=np.int32)
    targets = held_out.targets()
    for task in (Task.ALL, Task.NEW):
        asked = list(lists(recommender, held_out, customers, task))
        assert len(asked) == len(customers)
        for customer, one in zip(customers.tolist(), asked, strict=True):
            own = recommender.model.histories.profile(customer).items
            bought = targets.indices[targets.indptr[customer] : targets.indptr[customer + 1]]
            if task is Task.NEW:
                bought = np.setdiff1d(bought, own)
            found = [] if one is None else sorted(one.relevant.tolist())
            assert found == sorted(bought.tolist())
            assert one is None or one.query.only_new is (task is Task.NEW)
