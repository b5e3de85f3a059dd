"""What shoppers do, by hand, and the profile of their purchases, counted plainly."""

from functools import partial
from math import log
from statistics import median_low
from typing import NamedTuple

import numpy as np

from recsvc.core.histories import HalfLives, Profile
from recsvc.core.live import Act, Acts, Live, fold
from tests.counting import DATA_END, DAY

HALF_LIVES = HalfLives(short_days=10, long_days=40)

N_LEARNT = 100
"""Items from here on are new to the model."""


class Did(NamedTuple):
    """One act; ``day`` counts from the end of the model's data, and is negative before it."""

    act: Act
    item: int
    day: float
    quantity: float = 1
    order: int = 0
    rating: float = 0
    learnt: bool = False


bought = partial(Did, Act.PURCHASE)
returned = partial(Did, Act.RETURN)
viewed = partial(Did, Act.VIEW)
added = partial(Did, Act.ADD_TO_CART)
removed = partial(Did, Act.REMOVE_FROM_CART)
rated = partial(Did, Act.FEEDBACK)


def moment(day: float) -> int:
    """Return a day as seconds since 1970."""
    return round(DATA_END + day * DAY)


def acts_of(*did: Did) -> Acts:
    """Return acts in the order in which they came."""
    return Acts(
        np.array([d.item for d in did], np.int32),
        np.array([d.act for d in did], np.int8),
        np.array([moment(d.day) for d in did], np.int64),
        np.array([d.quantity for d in did], np.float64),
        np.array([d.order for d in did], np.int64),
        np.array([d.rating for d in did], np.float32),
        np.array([d.learnt for d in did], np.bool_),
    )


def folded(known: Profile, *did: Did, day: float) -> Live:
    """Return what a shopper of a known profile is after these acts, as of a day."""
    return fold(
        known,
        acts_of(*did),
        n_learnt=N_LEARNT,
        learnt_until=DATA_END,
        now=moment(day),
        half_lives=HALF_LIVES,
    )


def profile_of(*purchases: Did, day: float) -> Profile:
    """Return the profile of all purchases at once, as of a day, one line after another."""
    orders: dict[tuple[int, int], list[Did]] = {}
    for purchase in purchases:
        orders.setdefault((purchase.item, purchase.order or moment(purchase.day)), []).append(
            purchase
        )
    rows = []
    for item in sorted({item for item, _ in orders}):
        own = [lines for (bought_item, _), lines in orders.items() if bought_item == item]
        days = [max(line.day for line in lines) for lines in own]
        amounts = [sum(line.quantity for line in lines) for lines in own]
        short = [2 ** ((then - day) / HALF_LIVES.short_days) for then in days]
        long = [2 ** ((then - day) / HALF_LIVES.long_days) for then in days]
        weight = [min(log(max(n, 1)) + 1, 3) * left for n, left in zip(amounts, long, strict=True)]
        usual = median_low(amounts)
        rows.append(
            (item, sum(short), sum(long), sum(weight), len(own), min(days), max(days), usual)
        )
    return Profile(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.float32),
        np.array([row[3] for row in rows], np.float32),
        np.array([row[4] for row in rows], np.int32),
        np.array([moment(row[5]) for row in rows], np.int64),
        np.array([moment(row[6]) for row in rows], np.int64),
        np.array([row[7] for row in rows], np.float32),
    )


def assert_alike(found: Profile, expected: Profile) -> None:
    """Check that two profiles say the same, but for what float32 rounds."""
    for name in ("items", "n_purchases", "first_time", "last_time", "usual_quantity"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name
        assert getattr(found, name).dtype == getattr(expected, name).dtype, name
    for name in ("short", "long", "weight"):
        assert getattr(found, name).dtype == np.float32, name
        assert np.allclose(getattr(found, name), getattr(expected, name), rtol=1e-5), name
