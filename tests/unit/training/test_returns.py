"""Returns undo their purchases."""

from datetime import UTC, datetime, timedelta

import polars as pl
from polars.testing import assert_frame_equal

from training.returns import Netted, net_returns

Line = tuple[int | None, str, str, str | None, float]

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "event_time": pl.Datetime("us", "UTC"),
    "customer_id": pl.String,
    "product_id": pl.String,
    "event_type": pl.String,
    "order_id": pl.String,
    "quantity": pl.Float64,
}


def events(*lines: Line, customer: str = "c") -> pl.DataFrame:
    """Make events from (day, product, type, order, quantity)."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        (None if day is None else start + timedelta(day), customer, product, kind, order, quantity)
        for day, product, kind, order, quantity in lines
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def left(netted: Netted) -> list[tuple[str | None, float]]:
    return netted.events.select("order_id", "quantity").rows()


def test_without_returns_nothing_is_touched() -> None:
    """Events without returns come back as the same object."""
    frame = events((0, "p", "PURCHASE", "1", 2.0), (1, "p", "VIEW", None, 1.0))

    netted = net_returns(frame)

    assert netted.events is frame
    assert (netted.n_returns, netted.n_unmatched) == (0, 0)


def test_a_partial_return_reduces_the_quantity() -> None:
    """What was not returned stays bought."""
    netted = net_returns(events((0, "p", "PURCHASE", "1", 3.0), (1, "p", "RETURN", "1", 1.0)))

    assert left(netted) == [("1", 2.0)]
    assert (netted.n_returns, netted.n_unmatched) == (1, 0)


def test_a_full_return_removes_the_purchase() -> None:
    """A negative purchase is a return, too, and columns and their order stay."""
    frame = events((0, "p", "PURCHASE", "1", 2.0), (1, "p", "PURCHASE", "1", -2.0))

    netted = net_returns(frame)

    assert_frame_equal(netted.events, frame.clear())


def test_the_same_order_comes_before_the_latest() -> None:
    """A return that names its order undoes that one, even when a later purchase exists."""
    netted = net_returns(
        events(
            (0, "p", "PURCHASE", "1", 1.0),
            (1, "p", "PURCHASE", "2", 1.0),
            (2, "p", "RETURN", "1", 1.0),
        )
    )

    assert left(netted) == [("2", 1.0)]


def test_else_the_latest_earlier_purchase_is_undone() -> None:
    """Without an order, or with an unknown one, later purchases are not touched."""
    netted = net_returns(
        events(
            (0, "p", "PURCHASE", "1", 1.0),
            (1, "p", "PURCHASE", "2", 1.0),
            (2, "p", "RETURN", "unknown", 1.0),
            (3, "p", "PURCHASE", None, 1.0),
        )
    )

    assert left(netted) == [("1", 1.0), (None, 1.0)]


def test_the_surplus_goes_on_to_the_purchase_before() -> None:
    """A return of more than the matched purchase undoes earlier ones; the rest is dropped."""
    netted = net_returns(
        events(
            (0, "p", "PURCHASE", "1", 2.0),
            (1, "p", "PURCHASE", "2", 2.0),
            (2, "p", "RETURN", None, 3.0),
            (3, "p", "RETURN", None, 3.0),
        )
    )

    assert left(netted) == []
    assert (netted.n_returns, netted.n_unmatched) == (2, 0)


def test_returns_with_an_order_are_served_first() -> None:
    """An earlier return without an order does not take what another names."""
    netted = net_returns(
        events(
            (0, "p", "PURCHASE", "1", 1.0),
            (1, "p", "PURCHASE", "2", 1.0),
            (2, "p", "RETURN", None, 1.0),
            (3, "p", "RETURN", "2", 1.0),
        )
    )

    assert left(netted) == []
    assert netted.n_unmatched == 0


def test_unmatched_returns_are_counted_and_dropped() -> None:
    """Another product, another customer or a later purchase does not match."""
    frame = pl.concat(
        [
            events((0, "q", "PURCHASE", "1", 1.0), (1, "p", "RETURN", "1", 1.0)),
            events((0, "p", "PURCHASE", "1", 1.0), customer="d"),
            events((5, "p", "PURCHASE", "9", 1.0)),
        ]
    )

    netted = net_returns(frame)

    assert netted.events.height == 3
    assert (netted.n_returns, netted.n_unmatched) == (1, 1)


def test_without_times_the_last_row_is_the_latest() -> None:
    """Data without times is matched in row order, wherever the return stands."""
    netted = net_returns(
        events(
            (None, "p", "RETURN", None, 1.0),
            (None, "p", "PURCHASE", "1", 1.0),
            (None, "p", "PURCHASE", "2", 1.0),
            (None, "p", "RETURN", None, 1.0),
            (None, "p", "PURCHASE", "3", 1.0),
        )
    )

    assert left(netted) == [("1", 1.0)]


def test_other_events_are_no_purchases() -> None:
    """Views and baskets are kept and cannot be returned."""
    netted = net_returns(events((0, "p", "ADD_TO_CART", "1", 1.0), (1, "p", "RETURN", "1", 1.0)))

    assert netted.events["event_type"].to_list() == ["ADD_TO_CART"]
    assert netted.n_unmatched == 1
