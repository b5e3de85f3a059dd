"""What a shopper has done since the model learnt, folded into their profile at the call."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import NO_HISTORY, HalfLives, Profile
from recsvc.core.vocabulary import MISSING

NO_ITEMS = np.zeros(0, np.int32)

SESSION_SECONDS = 86_400
"""Looks and baskets of the last day shape a list; what was not bought within it was let go."""

POOR_RATING = 2.5
"""Below it a product displeased; from it on, and with no rating, it says that it interests."""

MAX_QUANTITY_WEIGHT = 3.0
"""A case of twenty says more than one bottle, but not twenty times as much; and quantities that
are weights or volumes (petrol by the millilitre) say nothing more."""


class Act(IntEnum):
    """What a shopper can do, numbered as it is stored."""

    PURCHASE = 1
    RETURN = 2
    VIEW = 3
    ADD_TO_CART = 4
    REMOVE_FROM_CART = 5
    IMPRESSION = 6
    CLICK = 7
    FEEDBACK = 8


@dataclass(frozen=True, slots=True)
class Acts:
    """One shopper's acts in the order in which they came, one entry a product.

    Attributes:
        items: int32, shape ``(n,)``: item indices, :data:`MISSING` for what nobody knows.
        kinds: int8, shape ``(n,)``: :class:`Act`.
        times: int64, shape ``(n,)``: seconds since 1970, UTC.
        quantities: float64, shape ``(n,)``, positive.
        orders: int64, shape ``(n,)``: what tells orders apart, 0 where nothing does but the time.
        ratings: float32, shape ``(n,)``: of FEEDBACK, 1 to 5, else 0.
        learnt: bool, shape ``(n,)``: whether the model has learnt from it already.
    """

    items: NDArray[np.int32]
    kinds: NDArray[np.int8]
    times: NDArray[np.int64]
    quantities: NDArray[np.float64]
    orders: NDArray[np.int64]
    ratings: NDArray[np.float32]
    learnt: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.items)

    def by_time(self) -> "Acts":
        """The same acts, the earliest first: a shop may send late what was early."""
        return self.where(np.argsort(self.times, kind="stable"))

    def where(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> "Acts":
        """Those acts alone."""
        return Acts(
            self.items[mask],
            self.kinds[mask],
            self.times[mask],
            self.quantities[mask],
            self.orders[mask],
            self.ratings[mask],
            self.learnt[mask],
        )


NO_ACTS = Acts(
    NO_ITEMS,
    np.zeros(0, np.int8),
    np.zeros(0, np.int64),
    np.zeros(0, np.float64),
    np.zeros(0, np.int64),
    np.zeros(0, np.float32),
    np.zeros(0, np.bool_),
)


@dataclass(frozen=True, slots=True)
class Live:
    """A shopper as of now.

    Attributes:
        profile: what was bought, decayed up to now.
        session: items that interested within the last day; they shape the list.
        basket: items in the basket now; they shape the list and are not on it.
        disliked: items that displeased; they are not on the list.
        undated: items of which it is known how often they were bought, and a guess when: a
            purchase that the model has learnt was returned since, or one that is later than
            ``now`` counts as of then.
        newcomers: what was bought and kept of products that are new to the model, likewise.
    """

    profile: Profile
    session: NDArray[np.int32]
    basket: NDArray[np.int32]
    disliked: NDArray[np.int32]
    undated: NDArray[np.int32] = field(default_factory=lambda: NO_ITEMS)
    newcomers: Profile = NO_HISTORY


def fold(
    known: Profile,
    acts: Acts,
    *,
    n_learnt: int,
    learnt_until: float,
    now: float,
    half_lives: HalfLives,
) -> Live:
    """Bring a profile up to the moment.

    Args:
        known: what the model learnt, decayed up to the end of its data.
        acts: what the shopper did of late. Those after ``now`` have not happened yet, and those
            that the model has learnt count for the session alone.
        n_learnt: items from this index on are new to the model, and have a profile of their own.
        learnt_until: the end of the model's data, seconds since 1970.
        now: the moment that recency is measured at, likewise.
        half_lives: of the profile's memories.
    """
    profile = known.aged(now - learnt_until, half_lives) if learnt_until else known
    if not len(acts):
        return Live(profile, NO_ITEMS, NO_ITEMS, NO_ITEMS)
    acts = acts.where((acts.times <= now) & (acts.items != MISSING)).by_time()
    session, basket, disliked = _interest(acts, now)
    left, in_profile = _undone(acts)
    in_profile = in_profile[in_profile < n_learnt]
    profile = profile.without_latest(in_profile, now, half_lives)
    kept, is_new = (acts.kinds == Act.PURCHASE) & (left > 0), acts.items >= n_learnt
    newcomers = _bought(acts.where(kept & is_new), left[kept & is_new], now, half_lives)
    bought = kept & ~is_new & ~acts.learnt
    profile = profile.merged(_bought(acts.where(bought), left[bought], now, half_lives))
    # Where data has ended long ago, what came since was moved to its end by who asks.
    moved = acts.items[bought & (acts.times == now)]
    undated = np.union1d(in_profile, moved).astype(np.int32)
    return Live(profile, session, basket, disliked, undated, newcomers)


def _undone(acts: Acts) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """What returns leave of each act's quantity, and the items to undo in the profile.

    A return undoes the purchase of its order, else, and with what is left of it, the latest
    earlier one of the product, as in the data that models learn from. It is the profile's where
    the model has learnt it, or where no act is it.

    Args:
        acts: in the order of their times.
    """
    left = acts.quantities.copy()
    in_profile: list[int] = []
    orders = _orders(acts)
    for at in np.flatnonzero(acts.kinds == Act.RETURN).tolist():
        is_fresh = not acts.learnt[at]
        own = (acts.kinds == Act.PURCHASE) & (acts.items == acts.items[at])
        same_order = (acts.orders == acts.orders[at]) & (acts.orders != 0)
        earlier = acts.times <= acts.times[at]
        # A return that the model has learnt is not asked for what it has not.
        usable = own & (left > 0) & (earlier | same_order) & (acts.learnt | is_fresh)
        purchases = np.flatnonzero(usable)
        purchases = purchases[np.argsort(same_order[purchases], kind="stable")]
        if is_fresh and not len(purchases):
            in_profile.append(int(acts.items[at]))
        back = float(acts.quantities[at])
        for purchase in purchases[::-1].tolist():
            taken = min(back, float(left[purchase]))
            left[purchase] -= taken
            back -= taken
            lines = own & acts.learnt & (orders == orders[purchase])
            if is_fresh and acts.learnt[purchase] and not left[lines].any():
                in_profile.append(int(acts.items[at]))
            if back <= 0:
                break
    return left, np.array(in_profile, np.int32)


def _orders(acts: Acts) -> NDArray[np.int64]:
    """What tells orders apart: the order, else the moment."""
    return np.where(acts.orders != 0, acts.orders, acts.times)


def _bought(
    acts: Acts, quantities: NDArray[np.float64], now: float, half_lives: HalfLives
) -> Profile:
    """Purchases as a profile; the same product twice in one order is one purchase."""
    if not len(acts):
        return NO_HISTORY
    lines = np.stack([acts.items.astype(np.int64), _orders(acts)])
    _, first, line = np.unique(lines, axis=1, return_index=True, return_inverse=True)
    line = line.ravel()
    quantity = np.bincount(line, quantities)
    time = np.zeros(len(first), np.int64)
    np.maximum.at(time, line, acts.times)
    age = (now - time).astype(np.float64)
    weight = np.minimum(np.log(np.maximum(quantity, 1.0)) + 1.0, MAX_QUANTITY_WEIGHT)
    short, long = half_lives.short(age), half_lives.long(age)
    items, at = np.unique(acts.items[first], return_inverse=True)
    n = len(items)
    earliest = np.full(n, np.iinfo(np.int64).max)
    latest = np.zeros(n, np.int64)
    np.minimum.at(earliest, at, time)
    np.maximum.at(latest, at, time)
    n_purchases = np.bincount(at)
    by_quantity = quantity[np.lexsort((quantity, at))]
    median = np.cumsum(n_purchases) - n_purchases + (n_purchases - 1) // 2
    return Profile(
        items.astype(np.int32),
        np.bincount(at, short).astype(np.float32),
        np.bincount(at, long).astype(np.float32),
        np.bincount(at, weight * long).astype(np.float32),
        n_purchases.astype(np.int32),
        earliest,
        latest,
        by_quantity[median].astype(np.float32),
    )


def _interest(
    acts: Acts, now: float
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Items of the session, in the basket, and disliked; the last word on each counts."""
    session: set[int] = set()
    basket: set[int] = set()
    disliked: set[int] = set()
    rows = zip(acts.items.tolist(), acts.kinds.tolist(), acts.times.tolist(), strict=True)
    for at, (item, kind, time) in enumerate(rows):
        is_fresh = now - time <= SESSION_SECONDS
        match kind:
            case Act.FEEDBACK:
                is_poor = bool(0 < acts.ratings[at] < POOR_RATING)
                (disliked.add if is_poor else disliked.discard)(item)
                if is_fresh and not is_poor:
                    session.add(item)
            case Act.VIEW | Act.CLICK if is_fresh:
                session.add(item)
            case Act.ADD_TO_CART if is_fresh:
                basket.add(item)
            case Act.REMOVE_FROM_CART:
                basket.discard(item)
            case Act.PURCHASE:
                basket.discard(item)
                session.discard(item)
                disliked.discard(item)
            case _:
                pass
    return _array(session - disliked), _array(basket), _array(disliked)


def _array(items: set[int]) -> NDArray[np.int32]:
    return np.array(sorted(items), np.int32)
