"""Windows of a run: what teaches, what decides and what is reported, by every way to cut."""

from dataclasses import replace

import polars as pl
import pytest

from recsvc.errors import InputError
from tests.purchases import SMALL, interactions_of, shop_interactions
from training.interactions import Interactions
from training.settings import TrainingSettings
from training.split import HoldOut, Split, given, hold_out
from training.windows import Role, Window, plan

DAY = 86_400

ONCE = replace(SMALL, n_windows=1)
"""Customers without times teach once."""


@pytest.fixture(scope="module")
def shop() -> Interactions:
    return shop_interactions()


def cut_elsewhere(shop: Interactions) -> HoldOut:
    """The shop's last ten days, as two files hold them."""
    cut = hold_out(shop, 10 * DAY, 0)
    return given(cut.history, cut.future)


def roles(windows: list[Window]) -> list[set[str]]:
    return [set(window.roles) for window in windows]


def without_times(n_customers: int = 60) -> Interactions:
    return interactions_of(
        *(
            {"customer_id": f"c{c}", "product_id": f"p{(c + n) % 13}"}
            for c in range(n_customers)
            for n in range(8)
        )
    )


def test_windows_follow_each_other_in_time(shop: Interactions) -> None:
    """By default the last window is reported, the one before decides, earlier ones teach."""
    windows = plan(shop, SMALL)

    assert roles(windows) == [{"train"}, {"train"}, {"guard"}, {"test"}]
    moments = [window.held_out.now for window in windows]
    assert moments == sorted(moments)
    assert all(window.teaches for window in windows)
    assert {window.held_out.method for window in windows} == {Split.TEMPORAL}


def test_one_stray_date_moves_no_window(shop: Interactions) -> None:
    """A purchase of 1970 among this year's: the windows are cut as they were."""
    stray = replace(shop, lines=shop.lines.with_columns(
        time=pl.when(pl.int_range(pl.len()) == 0).then(0).otherwise(pl.col("time"))
    ))  # fmt: skip

    moments = [[w.held_out.now for w in plan(each, SMALL)] for each in (shop, stray)]

    assert moments[1] == pytest.approx(moments[0], abs=2 * DAY)
    assert [len(w.customers) > 20 for w in plan(stray, SMALL)] == [True] * 4


def test_one_window_may_decide_and_be_reported(shop: Interactions) -> None:
    """Without a guard of its own, the last window does both."""
    windows = plan(shop, replace(SMALL, separate_guard=False, n_windows=1))

    assert roles(windows) == [{"train"}, {"guard", "test"}]


def test_trees_learn_from_so_many_buyers_of_a_window(shop: Interactions) -> None:
    """Their number limits what teaches, and not who judges."""

    def numbers(settings: TrainingSettings) -> list[int]:
        return [len(window.customers) for window in plan(shop, settings)]

    _, _, *judges = numbers(SMALL)

    assert numbers(replace(SMALL, train_customers=7)) == [7, 7, *judges]


def test_last_orders_decide_and_are_reported_and_never_teach(shop: Interactions) -> None:
    """By last-basket the judges are last orders and those before; rankers learn by time."""
    windows = plan(shop, replace(SMALL, split="last-basket", n_windows=1))

    assert roles(windows) == [{"train"}, {"guard"}, {"test"}]
    train, guard, test = windows
    assert train.held_out.method is Split.TEMPORAL
    assert guard.held_out.method is test.held_out.method is Split.LAST_BASKET
    assert [window.teaches for window in windows] == [True, False, False]
    assert len(test.customers) > 140  # nearly everybody has a last order
    # Nothing of what is reported is known to the guard's window or to the rankers.
    n_lines = [window.held_out.history.lines.height for window in windows]
    assert n_lines == sorted(n_lines)
    assert guard.held_out.history.lines.height + guard.held_out.future.lines.height == n_lines[2]


def test_last_orders_need_times() -> None:
    """Without times nothing is last, and the option says so."""
    with pytest.raises(InputError, match="--split last-basket: the events have no event_time"):
        plan(without_times(), replace(SMALL, split="last-basket"))


@pytest.mark.parametrize("separate_guard", [True, False])
def test_a_file_of_tests_is_reported_and_decides_nothing(
    shop: Interactions, *, separate_guard: bool
) -> None:
    """A given hold-out comes last, after windows of the training data, and does not teach."""
    test = cut_elsewhere(shop)

    windows = plan(test.history, replace(SMALL, separate_guard=separate_guard, n_windows=1), test)

    assert roles(windows) == [{"train"}, {"guard"}, {"test"}]
    assert windows[-1].held_out is test
    assert [window.teaches for window in windows] == [True, True, False]
    assert windows[1].held_out.now < test.now


def test_without_times_customers_are_shared_out() -> None:
    """No customer judges what was learnt on it."""
    windows = plan(without_times(), ONCE)

    assert roles(windows) == [{"train"}, {"guard"}, {"test"}]
    customers = [set(window.customers.tolist()) for window in windows]
    assert all(customers)
    assert len(set.union(*customers)) == sum(map(len, customers))


def test_few_customers_without_times_teach_again() -> None:
    """Each time another fifth of what they bought is asked for; the last one judges as well."""
    *taught, guard, test = plan(without_times(), replace(SMALL, n_windows=3))

    assert roles(taught) == [{"train"}] * 3
    fifths = [window.held_out.future.lines for window in taught]
    assert not fifths[0].equals(fifths[1])
    assert not fifths[1].equals(fifths[2])
    assert guard.held_out is test.held_out is taught[-1].held_out
    teachers = set().union(*(window.customers.tolist() for window in taught))
    assert not teachers & {*guard.customers.tolist(), *test.customers.tolist()}


def test_of_two_orders_without_times_everybody_is_asked_for_one() -> None:
    """Few customers with few orders still judge: with too few judges nothing learnt serves."""
    shop = interactions_of(
        *(
            {"customer_id": f"c{c}", "product_id": f"p{(c + n) % 13}", "order_id": f"{c} {n % 2}"}
            for c in range(140)
            for n in range(6)
        )
    )

    _, guard, test = plan(shop, ONCE)

    assert (len(guard.customers), len(test.customers)) == (21, 35)


def test_many_customers_without_times_teach_once() -> None:
    """Where they are as many as a window takes; then as many as give the lists that are asked."""
    shop = replace(without_times(), buys_again=True)
    windows = plan(shop, replace(SMALL, train_customers=10, untimed_lists=60, n_windows=3))

    assert roles(windows) == [{"train"}, {"guard"}, {"test"}]
    assert len(windows[0].customers) == 30


def test_where_nothing_is_bought_twice_twice_as_many_customers_teach() -> None:
    """Each gives one list to learn from, and not two; the time is the same."""
    shop, settings = without_times(), replace(SMALL, train_customers=3, untimed_lists=18)

    def n_taught(shop: Interactions) -> int:
        return len(plan(shop, settings)[0].customers)

    assert not shop.buys_again
    assert n_taught(replace(shop, buys_again=True)) == 9
    assert n_taught(shop) == 18


def test_one_share_of_the_customers_may_decide_and_be_reported() -> None:
    """Without a guard of its own, who does not teach judges; nobody does both."""
    taught, judged = plan(without_times(), replace(ONCE, separate_guard=False))

    assert roles([taught, judged]) == [{"train"}, {"guard", "test"}]
    assert not {*taught.customers.tolist()} & {*judged.customers.tolist()}
    whole = plan(without_times(), ONCE)
    assert len(judged.customers) == len(whole[1].customers) + len(whole[2].customers)


def test_a_day_without_hours_is_cut_as_if_without_times() -> None:
    """Where all was bought at one moment the customers are shared out, or nobody could judge."""
    day = interactions_of(
        *({"customer_id": f"c{n % 40}", "product_id": f"p{n % 7}", "day": 1} for n in range(400))
    )

    windows = plan(day, ONCE)

    assert [window.held_out.method for window in windows] == [Split.RANDOM] * 3
    assert {window.held_out.now for window in windows} == {day.end}
    assert all(len(window.customers) for window in windows)


def test_a_file_of_tests_takes_the_place_of_customers() -> None:
    """Without times the given hold-out is reported instead of a share of the customers."""
    cut = hold_out(without_times(), 0, 0)
    test = given(cut.history, cut.future)

    windows = plan(cut.history, ONCE, test)

    assert roles(windows) == [{"train"}, {"guard"}, {"test"}]
    assert windows[-1].held_out is test
    assert windows[0].held_out.method is Split.RANDOM
    assert Role.TEST not in windows[1].roles


def test_as_many_customers_as_the_settings_say(shop: Interactions) -> None:
    """Windows that teach and windows that judge have numbers of their own."""
    windows = plan(shop, replace(SMALL, train_customers=30, judge_customers=40))

    assert [len(window.customers) for window in windows] == [30, 30, 40, 40]


def seldom_back(n_customers: int = 400, n_back: int = 10) -> Interactions:
    """Each customer orders on four days in a row, at any time of a year; some in all months."""
    days_of = {
        c: range(0, 360, 20) if c < n_back else range(c % 90 * 4, c % 90 * 4 + 4)
        for c in range(n_customers)
    }
    return interactions_of(
        *(
            {"customer_id": f"c{c}", "product_id": f"p{(c + n) % 13}", "day": day}
            for c, days in days_of.items()
            for n, day in enumerate(days)
        )
    )


def test_where_hardly_anybody_comes_back_last_orders_teach_and_decide() -> None:
    """Those few who bought in every window do not decide for all the others."""
    windows = plan(seldom_back(), replace(SMALL, n_windows=1))

    assert roles(windows) == [{"train"}, {"guard"}, {"test"}]
    assert {window.held_out.method for window in windows} == {Split.LAST_ORDERS}
    assert all(len(window.customers) == 400 for window in windows)
    assert all(window.teaches for window in windows)
    # Each is cut off what the next one leaves.
    sizes = [window.held_out.history.lines.height for window in windows]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("n_back", [40, 100])
def test_those_who_come_back_decide_if_they_are_some(n_back: int) -> None:
    """One in ten says how it is, or a hundred of however many."""
    windows = plan(seldom_back(10 * n_back, n_back), SMALL)

    assert {window.held_out.method for window in windows} == {Split.TEMPORAL}


def test_last_orders_that_are_fewer_still_decide_nothing() -> None:
    """Most have ordered once: nobody else has last orders."""
    once = interactions_of(
        *({"customer_id": f"once{c}", "product_id": "x", "day": c} for c in range(360)),
        *(
            {"customer_id": f"c{c}", "product_id": f"p{day % 7}", "day": day}
            for c in range(8)
            for day in range(0, 360, 20)
        ),
    )

    windows = plan(once, SMALL)

    assert {window.held_out.method for window in windows} == {Split.TEMPORAL}


def test_last_orders_that_are_asked_for_are_one_each() -> None:
    """``--split last-basket`` keeps its meaning, however few come back."""
    windows = plan(seldom_back(), replace(SMALL, split="last-basket"))

    assert windows[-1].held_out.method is Split.LAST_BASKET
