"""A return undoes its purchase."""

from collections import defaultdict
from typing import Final, NamedTuple

import polars as pl

from training.schema import PURCHASE, RETURN

_ROW: Final = "row"
_PAIR: Final = ("customer_id", "product_id")


class Netted(NamedTuple):
    """Events without returns, and how many there were."""

    events: pl.DataFrame
    n_returns: int
    n_unmatched: int
    """Returns that found no purchase to undo; they are dropped."""


class _Line(NamedTuple):
    row: int
    pair: tuple[str, str]
    order_id: str | None
    time: int | None
    """Microseconds, or None where the data has no times."""
    quantity: float


def net_returns(events: pl.DataFrame) -> Netted:
    """Subtract returns from the purchases that they undo.

    A return is an event of type RETURN or a purchase of a negative quantity. It undoes
    the purchase of the same customer, order and product; what is left of it, or all of it
    if there is none, undoes the customer's latest earlier purchase of the product, then the
    one before. A purchase that nothing is left of disappears. Returns that name their order
    come first, so that others do not take their purchases.

    Args:
        events: ``customer_id, product_id, event_time, event_type, quantity, order_id``, and
            whatever else; purchases without a time are earlier than any return, in row order.

    Returns:
        The same rows in the same order without returns, quantities netted.
    """
    is_return = (pl.col("event_type") == RETURN) | (
        (pl.col("event_type") == PURCHASE) & (pl.col("quantity") < 0)
    )
    returned = events.select(is_return).to_series()
    if not returned.any():
        return Netted(events, 0, 0)
    numbered = events.with_row_index(_ROW)
    returns = numbered.filter(returned).with_columns(pl.col("quantity").abs())
    purchases = numbered.filter(~returned & (pl.col("event_type") == PURCHASE)).join(
        returns.select(_PAIR).unique(), on=_PAIR, how="semi"
    )
    left, n_unmatched = _undo(_lines(purchases, nulls_last=False), _lines(returns, nulls_last=True))
    changed = pl.DataFrame(
        {_ROW: list(left), "left": list(left.values())},
        schema={_ROW: pl.UInt32, "left": pl.Float64},
    )
    net = (
        numbered.filter(~returned)
        .join(changed, on=_ROW, how="left", maintain_order="left")
        .with_columns(pl.coalesce("left", "quantity").alias("quantity"))
        .filter((pl.col("left") > 0) | pl.col("left").is_null())
        .drop(_ROW, "left")
    )
    return Netted(net, returns.height, n_unmatched)


def _lines(events: pl.DataFrame, *, nulls_last: bool) -> list[_Line]:
    """Give rows as tuples, the earliest first; equal times stay in row order."""
    columns = events.sort("event_time", nulls_last=nulls_last, maintain_order=True).select(
        _ROW, *_PAIR, "order_id", pl.col("event_time").to_physical(), "quantity"
    )
    return [
        _Line(row, (customer, product), order_id, time, quantity)
        for row, customer, product, order_id, time, quantity in columns.iter_rows()
    ]


def _undo(purchases: list[_Line], returns: list[_Line]) -> tuple[dict[int, float], int]:
    """Match returns with purchases, both by time.

    Plain loops, linear in the lines, and only of those pairs of customer and product that
    have returns at all.

    Returns:
        What is left of each purchase that a return touched, by row; and the number of
        returns that touched none.
    """
    left: dict[int, float] = {}
    of_order: dict[tuple[tuple[str, str], str | None], list[_Line]] = defaultdict(list)
    for purchase in purchases:
        if purchase.order_id is not None:
            of_order[purchase.pair, purchase.order_id].append(purchase)
    still_open = [
        _take(item.quantity, of_order.get((item.pair, item.order_id), []), left) for item in returns
    ]

    n_unmatched = 0
    earlier: dict[tuple[str, str], list[_Line]] = defaultdict(list)
    coming = iter(purchases)
    purchase_or_end = next(coming, None)
    for item, quantity in zip(returns, still_open, strict=True):
        while purchase_or_end is not None and _is_earlier(purchase_or_end, item):
            earlier[purchase_or_end.pair].append(purchase_or_end)
            purchase_or_end = next(coming, None)
        n_unmatched += _take(quantity, earlier[item.pair], left) == item.quantity
    return left, n_unmatched


def _is_earlier(purchase: _Line, item: _Line) -> bool:
    return purchase.time is None or item.time is None or purchase.time <= item.time


def _take(quantity: float, purchases: list[_Line], left: dict[int, float]) -> float:
    """Take ``quantity`` from the last purchases on; give back what they could not cover.

    Purchases that nothing is left of are removed from the list.
    """
    while quantity > 0 and purchases:
        last = purchases[-1]
        available = left.get(last.row, last.quantity)
        taken = min(available, quantity)
        left[last.row] = available - taken
        quantity -= taken
        if taken == available:
            purchases.pop()
    return quantity
