"""Hold-outs in time, and at random where there is none."""

import numpy as np
import pytest

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.places import Level
from recsvc.core.vocabulary import MISSING
from recsvc.errors import InputError
from tests.purchases import START, interactions_of
from training.interactions import Interactions
from training.models.histories import homes
from training.split import (
    HoldOut,
    Split,
    given,
    hold_out,
    last_orders,
    leave_last_basket,
    window_seconds,
)


def daily(n_days: int, customers: str = "ab") -> Interactions:
    return interactions_of(
        *(
            {"customer_id": customer, "product_id": f"p{day % 7}", "day": day}
            for day in range(n_days + 1)
            for customer in customers
        )
    )


def test_the_window_is_as_long_as_asked() -> None:
    """A year of data holds out the days that were asked for."""
    assert window_seconds(daily(360), 28) == 28 * SECONDS_A_DAY


def test_the_window_shrinks_on_short_data() -> None:
    """No window is longer than a sixth of the data, so that half of it is left to learn."""
    assert window_seconds(daily(60), 28) == 10 * SECONDS_A_DAY


def test_one_moment_has_no_window() -> None:
    """Purchases of one moment leave a window of nothing."""
    assert window_seconds(daily(0), 28) == 0


def test_time_divides_what_was_known_from_what_came() -> None:
    """Everything before the cut is history; the cut itself and all after it is future."""
    interactions = daily(100)

    held_out = hold_out(interactions, 10 * SECONDS_A_DAY, seed=0)

    assert held_out.method is Split.TEMPORAL
    assert held_out.now == START.timestamp() + 90 * SECONDS_A_DAY
    assert held_out.history.end == START.timestamp() + 89 * SECONDS_A_DAY
    assert held_out.future.lines["time"].min() == held_out.now
    assert held_out.history.lines.height + held_out.future.lines.height == interactions.lines.height
    assert held_out.history.customers is interactions.customers


def test_without_times_a_random_fifth_is_held_out() -> None:
    """Data without times is divided at random, the same way for the same seed."""
    interactions = interactions_of(
        *({"customer_id": f"c{c}", "product_id": f"p{p}"} for c in range(50) for p in range(20))
    )

    held_out, again, other = (hold_out(interactions, 0, seed=seed) for seed in (1, 1, 2))

    assert held_out.method is Split.RANDOM
    assert held_out.future.lines.height == pytest.approx(200, abs=40)
    assert held_out.history.lines.height + held_out.future.lines.height == 1000
    assert held_out.history.lines.join(held_out.future.lines, on=["customer", "item"]).is_empty()
    assert held_out.future.lines.equals(again.future.lines)
    assert not held_out.future.lines.equals(other.future.lines)


def test_without_times_whole_orders_are_held_out() -> None:
    """What was bought together is known together; a customer's only order is divided."""
    orders = [
        {"customer_id": f"c{c}", "product_id": f"p{n}", "order_id": f"{c} {n % n_orders}"}
        for c, n_orders in enumerate((2, 3, 7, 8, 13) * 4)
        for n in range(2 * n_orders)
    ]
    only = [{"customer_id": "only", "product_id": f"p{n}", "order_id": "o"} for n in range(10)]
    once = [{"customer_id": "once", "product_id": "p1", "order_id": "p"}]
    shop = interactions_of(*orders, *only, *once)

    held_out = hold_out(shop, 0, seed=1)

    def n_lines(part: Interactions) -> dict[str, list[int]]:
        lines = part.lines.group_by("customer", "order").len().sort("len", "customer", "order")
        return {
            shop.customers.ids[customer]: [n for c, _, n in lines.iter_rows() if c == customer]
            for customer in lines["customer"].unique()
        }

    held, known = n_lines(held_out.future), n_lines(held_out.history)
    for c, n_held in enumerate((1, 1, 1, 2, 3) * 4):
        assert held[f"c{c}"] == [2] * n_held
        assert set(known[f"c{c}"]) == {2}
    assert (held["only"], known["only"]) == ([2], [8])
    assert "once" not in held


def test_targets_are_what_could_be_known() -> None:
    """Customers and products without a purchase before the cut are no targets; repeats are 1."""
    interactions = interactions_of(
        {"customer_id": "old", "product_id": "x", "day": 0},
        {"customer_id": "other", "product_id": "y", "day": 1},
        {"customer_id": "old", "product_id": "x", "day": 90},
        {"customer_id": "old", "product_id": "y", "day": 91},
        {"customer_id": "old", "product_id": "y", "day": 92},
        {"customer_id": "old", "product_id": "unseen", "day": 93},
        {"customer_id": "stranger", "product_id": "x", "day": 94},
    )

    targets = hold_out(interactions, 10 * SECONDS_A_DAY, seed=0).targets()

    # Customers: old, other, stranger; products: unseen, x, y.
    assert targets.toarray().tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]


def bought(part: Interactions) -> set[tuple[str, str]]:
    """Customer and product of each line."""
    pairs = part.lines.select("customer", "item").iter_rows()
    return {(part.customers.ids[customer], part.items.ids[item]) for customer, item in pairs}


def test_the_last_order_is_held_out() -> None:
    """An order is held out whole, though it took days; what came before it is known."""
    interactions = interactions_of(
        {"customer_id": "a", "product_id": "x", "day": 1, "order_id": "1"},
        {"customer_id": "a", "product_id": "y", "day": 4, "order_id": "1"},
        {"customer_id": "a", "product_id": "z", "day": 3, "order_id": "2"},
        {"customer_id": "a", "product_id": "x", "day": 5, "order_id": "2"},
        # Two orders of other customers with one number each are two orders.
        {"customer_id": "b", "product_id": "x", "day": 2, "order_id": "2"},
        {"customer_id": "b", "product_id": "y", "day": 9, "order_id": "3"},
    )

    held_out = leave_last_basket(interactions)

    assert held_out.method is Split.LAST_BASKET
    assert bought(held_out.future) == {("a", "z"), ("a", "x"), ("b", "y")}
    assert bought(held_out.history) == {("a", "x"), ("a", "y"), ("b", "x")}
    assert held_out.now == held_out.history.end == START.timestamp() + 4 * SECONDS_A_DAY


def test_without_order_ids_an_order_is_a_moment() -> None:
    """What was bought at the very same moment is one order."""
    interactions = interactions_of(
        {"customer_id": "a", "product_id": "x", "day": 1},
        {"customer_id": "a", "product_id": "y", "day": 2},
        {"customer_id": "a", "product_id": "z", "day": 2},
    )

    held_out = hold_out(interactions, 0, seed=0, split=Split.LAST_BASKET)

    assert bought(held_out.future) == {("a", "y"), ("a", "z")}
    assert bought(held_out.history) == {("a", "x")}


def test_an_only_order_is_known() -> None:
    """Who has ordered once is no target, but teaches what is bought."""
    interactions = interactions_of(
        {"customer_id": "once", "product_id": "x", "day": 8},
        {"customer_id": "twice", "product_id": "x", "day": 1},
        {"customer_id": "twice", "product_id": "x", "day": 2},
    )

    held_out = leave_last_basket(interactions)

    assert bought(held_out.history) == {("once", "x"), ("twice", "x")}
    assert held_out.targets().toarray().tolist() == [[0], [1]]


def test_a_share_of_the_orders_is_held_out() -> None:
    """Of ten orders the last three, of two one, of one none."""
    interactions = interactions_of(
        *({"customer_id": "ten", "product_id": f"p{day}", "day": day} for day in range(10)),
        {"customer_id": "two", "product_id": "p0", "day": 4},
        {"customer_id": "two", "product_id": "p1", "day": 5},
        {"customer_id": "one", "product_id": "p9", "day": 20},
    )

    held_out = last_orders(interactions, 0.3)

    assert held_out.method is Split.LAST_ORDERS
    late = {("ten", "p7"), ("ten", "p8"), ("ten", "p9"), ("two", "p1")}
    assert bought(held_out.future) == late
    assert bought(held_out.history) == bought(interactions) - late


def test_the_last_of_no_times_is_refused() -> None:
    """Without times no order is the last one, and the error says what to do."""
    interactions = interactions_of({"customer_id": "a", "product_id": "x"})

    with pytest.raises(InputError, match="no event_time"):
        hold_out(interactions, 0, seed=0, split=Split.LAST_BASKET)


TRAIN = (
    {"customer_id": "b", "product_id": "x", "day": 1, "store_id": "s2", "country_code": "GB"},
    {"customer_id": "c", "product_id": "y", "day": 2, "store_id": "s3", "country_code": "GB"},
)
TEST = (
    {"customer_id": "a", "product_id": "x", "day": 9, "store_id": "s2", "country_code": "GB"},
    {"customer_id": "b", "product_id": "a", "day": 9, "store_id": "s2", "country_code": "GB"},
    {"customer_id": "c", "product_id": "x", "day": 9, "store_id": "s3", "country_code": "GB"},
    {"customer_id": "b", "product_id": "y", "day": 9, "store_id": "s1", "country_code": "GB"},
)


@pytest.fixture
def cut() -> HoldOut:
    """Two files, in each of which the same ids have other numbers."""
    return given(interactions_of(*TRAIN), interactions_of(*TEST))


def test_given_files_share_the_training_vocabularies(cut: HoldOut) -> None:
    """Test purchases are found by their ids; strangers and unknown products are left out."""
    assert cut.method is Split.GIVEN
    assert cut.now == START.timestamp() + 2 * SECONDS_A_DAY
    assert cut.future.customers is cut.history.customers
    assert bought(cut.future) == {("c", "x"), ("b", "y")}
    assert bought(cut.history) == {("b", "x"), ("c", "y")}
    assert cut.targets().toarray().tolist() == [[0, 1], [1, 0]]


def test_given_files_share_the_places(cut: HoldOut) -> None:
    """A test purchase was made where training knows it; an unknown store is still in a country."""
    stores = cut.history.locations.keys[Level.STORE].ids
    indices = cut.future.locations.indices[cut.future.lines["location"].to_numpy()]
    by_item = dict(zip(cut.future.lines["item"].to_list(), indices.tolist(), strict=True))
    at_s3, at_s1 = by_item[cut.history.items.index("x")], by_item[cut.history.items.index("y")]

    assert stores[at_s3[Level.STORE]] == "s3"
    assert at_s1[Level.STORE] == MISSING
    assert at_s1[Level.COUNTRY] == at_s3[Level.COUNTRY] != MISSING
    assert cut.history.locations is cut.future.locations
    np.testing.assert_array_equal(homes(cut.history), homes(interactions_of(*TRAIN)))


def test_given_files_need_no_times() -> None:
    """A published split without times is taken as it is."""
    train = interactions_of({"customer_id": "a", "product_id": "x"})
    test = interactions_of({"customer_id": "a", "product_id": "x"})

    assert given(train, test).targets().toarray().tolist() == [[1]]
    assert given(train, test).now == 0
    assert not given(train, test).future.has_times
    assert given(interactions_of(*TRAIN), interactions_of(*TEST)).future.has_times
