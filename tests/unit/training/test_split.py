"""Hold-outs in time, and at random where there is none."""

import pytest

from tests.purchases import START, interactions_of
from training.interactions import SECONDS_A_DAY, Interactions
from training.split import hold_out, window_seconds


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

    assert held_out.method == "temporal"
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

    assert held_out.method == "random"
    assert held_out.future.lines.height == pytest.approx(200, abs=40)
    assert held_out.history.lines.height + held_out.future.lines.height == 1000
    assert held_out.history.lines.join(held_out.future.lines, on=["customer", "item"]).is_empty()
    assert held_out.future.lines.equals(again.future.lines)
    assert not held_out.future.lines.equals(other.future.lines)


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
