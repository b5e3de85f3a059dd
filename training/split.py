"""Hold-outs: what was known, and what was bought next.

Five ways to cut, the first the default:

- **temporal**: everything before a moment is known, everything from it on is asked for. As in
  service, nothing of the future is known of anybody.
- **last-basket**: each customer's last order is asked for. It gives every customer with two
  orders a target, where a month gives a few, and it *leaks*: what others bought after that
  order is known, so that popularity, trends and neighbours look into the future. Good for
  comparing models of one customer's habits on sparse data; its figures are higher than those
  in service, and a temporal cut should decide what is deployed.
- **given**: two files that somebody else has cut, as published benchmarks are.
- **last-orders**: the last tenth of each customer's orders, where hardly anybody comes back within
  a window. It leaks as the last order does.
- **random**: a fifth of each customer's orders; all that is left where there are no times, or one.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.vocabulary import MISSING
from recsvc.errors import InputError
from training.interactions import Interactions, Locations
from training.targets import translated


class Split(StrEnum):
    """Ways to cut; the module says what each is."""

    TEMPORAL = "temporal"
    LAST_BASKET = "last-basket"
    GIVEN = "given"
    LAST_ORDERS = "last-orders"
    RANDOM = "random"


FILLS_GAPS = frozenset({Split.LAST_ORDERS, Split.RANDOM})
"""Cuts that teach what else is in a history, with later purchases of others known, rather than what
comes next."""


@dataclass(frozen=True, slots=True)
class HoldOut:
    """One cut of the interactions.

    Attributes:
        history: what a model may be fitted on.
        future: what was bought afterwards, over the same vocabularies.
        now: the moment of the cut, seconds since 1970.
        method: how it was cut.
    """

    history: Interactions
    future: Interactions
    now: float
    method: Split

    def targets(self) -> csr_array:
        """Customers by items: 1 for what a customer with a history bought of known products.

        Products and customers without any purchase before the cut are left out: nothing
        that learns from purchases can know them.
        """
        lines = self.known_lines()
        matrix = replace(self.future, lines=lines).matrix(np.ones(lines.height, np.float32))
        matrix.data[:] = 1
        return matrix

    def known_lines(self) -> pl.DataFrame:
        """What customers with a history bought of known products afterwards."""
        known_items = np.bincount(
            self.history.lines["item"].to_numpy(), minlength=len(self.history.items)
        )
        known_customers = np.bincount(
            self.history.lines["customer"].to_numpy(), minlength=len(self.history.customers)
        )
        lines = self.future.lines
        usable = (known_items[lines["item"].to_numpy()] > 0) & (
            known_customers[lines["customer"].to_numpy()] > 0
        )
        return lines.filter(pl.Series(usable))


def window_seconds(interactions: Interactions, window_days: float) -> float:
    """Length of a hold-out window: as asked, but at most a sixth of the data's span.

    At least three windows are cut off the end of the data in the course of a run; the first
    model must keep at least half of it.
    """
    return min(window_days * SECONDS_A_DAY, (interactions.end - interactions.start) / 6)


def hold_out(
    interactions: Interactions, seconds: float, seed: int, split: Split = Split.TEMPORAL
) -> HoldOut:
    """Cut off the last ``seconds``, or each customer's last order.

    Without times nothing is last: a random fifth of the purchases is held out.

    Raises:
        InputError: last orders are asked for of data without times.
    """
    if split is Split.LAST_BASKET:
        return leave_last_basket(interactions)
    if not interactions.has_times:
        return random_fifth(interactions, seed)
    cut = interactions.end - seconds
    return HoldOut(
        interactions.select(pl.col("time") < cut),
        interactions.select(pl.col("time") >= cut),
        cut,
        Split.TEMPORAL,
    )


def leave_last_basket(interactions: Interactions) -> HoldOut:
    """Hold out the last order of each customer who has an earlier one.

    An order is what the order id says, else the purchases of one moment. All others'
    purchases are known, also later ones: the module says what that leaks. Who has ordered only
    once is known and has no target.

    Raises:
        InputError: the data has no times.
    """
    if not interactions.has_times:
        raise InputError(
            "--split last-basket: the events have no event_time to tell which order was the last; "
            "leave --split out"
        )
    return _last(interactions, 0.0, Split.LAST_BASKET)


def last_orders(interactions: Interactions, share: float) -> HoldOut:
    """Hold out the last ``share`` of each customer's orders, at least one where there are several.

    What :func:`leave_last_basket` says of orders and of what is known holds here as well.
    """
    return _last(interactions, share, Split.LAST_ORDERS)


def _last(interactions: Interactions, share: float, method: Split) -> HoldOut:
    ended = pl.col("time").max().over("customer", "order")
    lines = interactions.lines.select("customer", ended=ended)
    n_orders = pl.col("ended").n_unique().over("customer")
    n_held = pl.when(n_orders > 1).then((n_orders * share).round().clip(1)).otherwise(0)
    from_the_last = pl.col("ended").rank("dense", descending=True).over("customer")
    held = lines.select(from_the_last <= n_held).to_series()
    history = interactions.select(~held)
    return HoldOut(history, interactions.select(held), history.end, method)


def given(train: Interactions, test: Interactions) -> HoldOut:
    """Take a cut that was made elsewhere: two files, each encoded by itself.

    Of ``test`` remain the purchases by customers and of products that ``train`` has: nothing
    that learns from purchases can know the others. Whether they are later is not asked.
    """
    customer = translated(train.customers, test.customers)[test.lines["customer"].to_numpy()]
    item = translated(train.items, test.items)[test.lines["item"].to_numpy()]
    known = pl.Series((customer != MISSING) & (item != MISSING))
    locations = _joined(train.locations, test.locations)
    lines = test.lines.with_columns(
        customer=pl.Series(customer, dtype=pl.Int32),
        item=pl.Series(item, dtype=pl.Int32),
        location=pl.col("location") + len(train.locations.indices),
    ).filter(known)
    history = replace(train, locations=locations)
    future = replace(history, lines=lines, has_times=test.has_times)
    return HoldOut(history, future, train.end, Split.GIVEN)


def _joined(train: Locations, test: Locations) -> Locations:
    """The locations of ``train`` followed by those of ``test``, places by the keys of ``train``."""
    indices = np.full_like(test.indices, MISSING)
    for level, (known, other) in enumerate(zip(train.keys, test.keys, strict=True)):
        at = test.indices[:, level]
        given_here = at != MISSING
        indices[given_here, level] = translated(known, other)[at[given_here]]
    return replace(train, indices=np.concatenate([train.indices, indices]))


def random_fifth(interactions: Interactions, seed: int) -> HoldOut:
    """Hold out a fifth of each customer's orders, drawn at random: nothing of it is later.

    Of two orders one is held out, of a customer's only one a fifth of its purchases. Where
    purchases are of no order each is one by itself. Who has but one is left as is.
    """
    several = pl.col("order").n_unique().over("customer") > 1
    unit = pl.when(several).then("order").otherwise(pl.int_range(pl.len(), dtype=pl.UInt64))
    lines = interactions.lines.select("customer", unit=unit)
    units = lines.unique(maintain_order=True)
    drawn = pl.Series("drawn", np.random.default_rng(seed).permutation(units.height))
    n_units = pl.len().over("customer")
    n_held = pl.when(n_units > 1).then((n_units / 5).round().clip(1)).otherwise(0)
    held = units.with_columns(drawn).with_columns(
        held=pl.col("drawn").rank().over("customer") <= n_held
    )
    mask = lines.join(held, on=["customer", "unit"], how="left", maintain_order="left")["held"]
    history = interactions.select(~mask)
    return HoldOut(history, interactions.select(mask), history.end, Split.RANDOM)
