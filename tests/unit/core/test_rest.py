"""What was just bought rests: not for long where it is used up, for months where it lasts."""

import numpy as np
import pytest

from recsvc.core.histories import NO_HISTORY, Profile
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.rest import DURABLE_DAYS, DURABLE_RATE, MAX_REST_DAYS, REST_SHARE, resting
from recsvc.core.vocabulary import MISSING
from tests.acts import (
    N_LEARNT,
    Did,
    acts_of,
    added,
    bought,
    folded,
    moment,
    profile_of,
    returned,
    viewed,
)

MILK, RICE, SOFA, BIN = range(4)
RATES = (0.9, 0.5, 0.02, DURABLE_RATE)
INTERVALS = (5.0, 60.0, 400.0, 0.0)
"""Milk is bought every 5 days and rice every 60, a sofa once in a life; nobody knows of bins."""


def statistics() -> ItemStatistics:
    """Return what is known of the four products."""
    nothing = np.zeros(4, np.float32)
    rates, intervals = np.array(RATES, np.float32), np.array(INTERVALS, np.float32)
    return ItemStatistics(
        nothing, nothing, nothing, rates, intervals, nothing, np.zeros((4, 3), np.float32)
    )


def rest(*did: Did, day: float, known: Profile = NO_HISTORY) -> list[int]:
    """Return the items that rest as of a day, after these acts."""
    profile = folded(known, *did, day=day).profile
    found = resting(profile, acts_of(*did), statistics(), moment(day))
    assert found.dtype == np.int32
    return [int(item) for item in found]


@pytest.mark.parametrize(
    ("item", "days"),
    [
        (MILK, REST_SHARE * 5),
        (RICE, MAX_REST_DAYS),
        (SOFA, DURABLE_DAYS),
        (BIN, 0),
    ],
)
def test_a_product_rests_for_its_own_time(item: int, days: float) -> None:
    """A share of the usual interval, two days at most, and what nobody buys twice for months."""
    assert (rest(bought(item, 1), day=1 + 0.99 * days) == [item]) == (days > 0)
    assert rest(bought(item, 1), day=1 + 1.01 * days) == []


def test_the_shoppers_own_interval_goes_first() -> None:
    """Who buys milk every day needs it after a fifth of a day, whatever others do."""
    daily = [bought(MILK, day) for day in range(1, 5)]
    assert rest(*daily, day=4 + 0.19) == [MILK]
    assert rest(*daily, day=4 + 0.21) == []


def test_the_interval_spans_what_the_model_knows() -> None:
    """Rice of 3 days before and of today is rice every 3 days."""
    known = profile_of(bought(RICE, -2), day=0)
    assert rest(bought(RICE, 1), day=1 + 0.59, known=known) == [RICE]
    assert rest(bought(RICE, 1), day=1 + 0.61, known=known) == []


def test_who_needed_a_second_sofa_may_need_a_third() -> None:
    """A product that this shopper has bought again rests as any other does."""
    known = profile_of(bought(SOFA, -1000), day=0)
    assert rest(bought(SOFA, 1), day=2.9, known=known) == [SOFA]
    assert rest(bought(SOFA, 1), day=3.1, known=known) == []


def test_what_the_model_alone_knows_does_not_rest() -> None:
    """The ranker has learnt what is bought in the weeks after; an act that buys nothing is none."""
    known = profile_of(bought(MILK, 0), bought(SOFA, 0), day=0)
    assert rest(day=0.1, known=known) == []
    assert rest(viewed(MILK, 0), added(SOFA, 0), day=0.1, known=known) == []


def test_what_was_learnt_meanwhile_rests_on() -> None:
    """A model of this night knows this morning's sofa, and it is as new as before."""
    known = profile_of(bought(SOFA, -0.5), day=0)
    assert rest(bought(SOFA, -0.5, learnt=True), day=0.1, known=known) == [SOFA]


def test_what_came_back_does_not_rest() -> None:
    """A sofa that was returned is needed as before; one of two that is left is not."""
    assert rest(bought(SOFA, 1), returned(SOFA, 2), day=2) == []
    assert rest(bought(SOFA, 1, 2), returned(SOFA, 2, 1), day=2) == [SOFA]


def test_what_is_yet_to_be_bought_does_not_rest() -> None:
    """As of an earlier moment it is for the ranker to say, even where the model knows an older."""
    known = profile_of(bought(SOFA, -1), day=0)
    assert rest(bought(SOFA, 2), day=1) == []
    assert rest(bought(SOFA, 2), day=1, known=known) == []


def test_what_rests_is_distinct_and_in_order() -> None:
    """One entry a product, ascending; unknown products are passed over."""
    did = (bought(SOFA, 1), bought(MISSING, 1), bought(RICE, 1), bought(MILK, 1), bought(RICE, 1))
    assert rest(*did, day=1.1) == [MILK, RICE, SOFA]


def test_what_is_new_to_the_model_is_passed_over() -> None:
    """Nobody knows how soon a newcomer is needed again; what is known beside it rests."""
    newcomer = len(RATES)
    assert rest(bought(newcomer, 1), bought(SOFA, 1), bought(N_LEARNT, 1), day=2) == [SOFA]
    assert rest(bought(newcomer, 1), day=1.1) == []
