"""When something is due, against purchases at a known pace."""

from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.due import REMEMBERED, REST_SHARE, WAIT_SHARE, due_again, needed_again
from recsvc.core.histories import NO_HISTORY, SECONDS_A_DAY
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from tests.acts import HALF_LIVES, Did, bought, moment, profile_of
from tests.samples import tiny_model

MILK, RICE, BIN = range(3)
INTERVALS = (7.0, 60.0, 0.0)
"""Milk is bought every 7 days and rice every 60; nobody has bought a bin twice."""


def statistics() -> ItemStatistics:
    """Return what is known of the three products."""
    nothing, intervals = np.zeros(3, np.float32), np.array(INTERVALS, np.float32)
    return ItemStatistics(
        nothing, nothing, nothing, nothing, intervals, nothing, np.zeros((3, 3), np.float32)
    )


def waits(*did: Did, day: float) -> dict[int, float]:
    """Return the days until each product is due, as of a day."""
    profile = profile_of(*did, day=day)
    now = float(moment(day))
    due = due_again(profile, profile.items, statistics(), HALF_LIVES, now)
    days = (due.due_time - now) / SECONDS_A_DAY
    return dict(zip(profile.items.tolist(), days.tolist(), strict=True))


def weekly(item: int, n: int, *, since: float = 0) -> list[Did]:
    """Return purchases at every seventh day up to and with that day."""
    return [bought(item, day=since - 7 * k) for k in range(n)]


def test_what_was_just_bought_is_not_due() -> None:
    """Two thirds of the usual interval have to pass."""
    assert waits(*weekly(MILK, 12), day=0)[MILK] == pytest.approx(7 * REST_SHARE, rel=1e-3)
    assert waits(*weekly(MILK, 12), day=2)[MILK] == pytest.approx(7 * REST_SHARE - 2, rel=1e-3)


def test_what_is_overdue_is_due_soon() -> None:
    """A third of the interval at the present pace from now, never before now."""
    found = waits(*weekly(MILK, 12), day=8)[MILK]
    assert 7 * WAIT_SHARE < found < 7


def test_the_longer_nothing_is_bought_the_later_it_is_due() -> None:
    """Given up, it comes behind what is still bought, as far ahead as it is past."""
    found = [waits(*weekly(MILK, 12), day=day)[MILK] for day in (10, 30, 90, 365, 9000)]
    assert found == sorted(set(found))
    assert found[-1] == 9000
    rice = [bought(RICE, day=day) for day in (180, 240, 300)]
    at_last = waits(*weekly(MILK, 12), *rice, day=305)
    assert at_last[RICE] < at_last[MILK]


def test_the_interval_leans_to_the_products_own() -> None:
    """Of two purchases one interval is known, and the product's is a second one."""
    profile = profile_of(bought(MILK, day=-21), bought(MILK, day=0), bought(RICE, day=0), day=0)
    due = due_again(profile, profile.items, statistics(), HALF_LIVES, float(moment(0)))
    assert (due.interval_seconds / SECONDS_A_DAY).tolist() == [(21 + 7) / 2, 60]
    assert due.quantity.tolist() == [1, 1]


def test_what_is_needed_is_what_is_usually_bought() -> None:
    """Of each product its own, in the order that is asked for, as it was given."""
    did = (*(bought(MILK, day=-7 * k, quantity=n) for k, n in enumerate((6, 2, 3))),)
    profile = profile_of(*did, bought(RICE, day=0, quantity=0.35), day=0)
    asked = np.array([RICE, MILK], np.int32)
    due = due_again(profile, asked, statistics(), HALF_LIVES, float(moment(0)))
    assert due.quantity.tolist() == [0.35, 3]


def test_where_nobody_else_came_back_the_own_interval_holds() -> None:
    """Bought once, its interval is not known, and it is due when the memory fades."""
    profile = profile_of(bought(BIN, day=-20), bought(BIN, day=0), day=0)
    due = due_again(profile, profile.items, statistics(), HALF_LIVES, float(moment(0)))
    assert due.interval_seconds.tolist() == [20 * SECONDS_A_DAY]
    once = profile_of(bought(BIN, day=0), day=0)
    due = due_again(once, once.items, statistics(), HALF_LIVES, float(moment(0)))
    assert due.interval_seconds.tolist() == [0]
    assert waits(bought(BIN, day=0), day=0)[BIN] == pytest.approx(
        HALF_LIVES.long_days * WAIT_SHARE, rel=1e-3
    )


def test_a_single_purchase_of_long_ago_is_none() -> None:
    """What was bought twice may be needed again however long ago; what was only seen is not."""
    forgotten = HALF_LIVES.long_days * -np.log2(REMEMBERED) + 1
    profile = profile_of(
        bought(MILK, day=-1), bought(MILK, day=0), bought(RICE, day=0), day=forgotten
    )
    assert needed_again(profile).tolist() == [MILK]
    late = profile_of(bought(RICE, day=forgotten - 2), day=forgotten)
    assert needed_again(late).tolist() == [RICE]
    assert needed_again(NO_HISTORY.with_session(np.array([RICE], np.int32))).tolist() == []


def test_without_times_nothing_is_due() -> None:
    """Nobody can tell when; with times the same shopper has a list."""
    model = tiny_model()
    query = Query(customer=model.customers.index("anna"), now=model.data_end, size=5)
    assert len(Recommender(model).again(query).ranking.items)
    timeless = Recommender(replace(model, data_end=0.0))
    found = timeless.again(replace(query, now=0.0))
    assert len(found.ranking.items) == len(found.due_time) == 0
