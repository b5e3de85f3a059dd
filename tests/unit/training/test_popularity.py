"""Popularity everywhere, by hand."""

import numpy as np
import pytest

from tests.purchases import interactions_of
from training.models.popularity import UNSEEN, fit_popularity
from training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    popularity_half_life_days=7,
    popularity_long_half_life_days=14,
    popularity_first_half_life_days=14,
)


def test_shares_are_decayed_counts() -> None:
    """A purchase a half-life old counts half; shares add up to 1."""
    popularity = fit_popularity(
        interactions_of(
            {"customer_id": "a", "product_id": "x", "day": 7},
            {"customer_id": "b", "product_id": "y", "day": 0},
            {"customer_id": "c", "product_id": "y", "day": 0},
            {"customer_id": "d", "product_id": "z", "day": 0},
        ),
        SETTINGS,
    )

    total = 2.5 + 3 * UNSEEN
    expected = [(1 + UNSEEN) / total, (1 + UNSEEN) / total, (0.5 + UNSEEN) / total]
    assert np.exp(popularity.log_shares).tolist() == pytest.approx(expected)
    # x and y have sold as much of late: y's two plain purchases rank it first.
    assert popularity.order.tolist() == [1, 0, 2]


def test_two_more_shares_have_memories_of_their_own() -> None:
    """One is longer; the other counts a customer's first purchase of a product alone."""
    popularity = fit_popularity(
        interactions_of(
            *({"customer_id": "a", "product_id": "x", "day": day} for day in (0, 14, 28)),
            {"customer_id": "b", "product_id": "y", "day": 14},
            {"customer_id": "b", "product_id": "x", "day": 28},
        ),
        SETTINGS,
    )

    long, first = np.array([2.75, 0.5]) + UNSEEN, np.array([1.25, 0.5]) + UNSEEN
    assert np.exp(popularity.log_shares_long).tolist() == pytest.approx(list(long / long.sum()))
    assert np.exp(popularity.log_shares_first).tolist() == pytest.approx(list(first / first.sum()))


def test_what_sold_long_ago_is_ranked_by_its_count() -> None:
    """Products whose decayed counts have all vanished are in the order of all their sales."""
    popularity = fit_popularity(
        interactions_of(
            {"customer_id": "a", "product_id": "once", "day": 0},
            *({"customer_id": f"c{n}", "product_id": "thrice", "day": 0} for n in range(3)),
            {"customer_id": "a", "product_id": "today", "day": 3000},
        ),
        SETTINGS,
    )

    assert popularity.order.tolist() == [2, 1, 0]
    assert np.isfinite(popularity.log_shares).all()
