"""A small version of ``python -m tests.benchmarks.experiments``."""

from tests.benchmarks.experiments.runs import many, planned
from tests.benchmarks.experiments.shop import Shop

SHOP = Shop(days=14, visits=0.5, click_rate=0.4, conversion=0.2)
"""Shoppers who do much, so that few are enough."""


def test_nothing_is_found_where_nothing_is_and_a_planted_lift_is() -> None:
    """Shoppers who come back, a look every day: level and power are what was stated."""
    n_shoppers = planned(SHOP, "click-through", 0.1, 20_000, seed=1).n_shoppers
    nothing, planted = (
        many(SHOP, "click-through", n_shoppers, smallest=0.1, lift=lift, runs=120, seed=2)
        for lift in (0.0, 0.1)
    )
    assert nothing.sequential <= 0.05 < nothing.fixed_peeking
    assert nothing.uncovered <= 0.05
    assert nothing.unbalanced <= 0.02
    assert planted.sequential > 0.7
    assert planted.uncovered <= 0.05
    assert abs(planted.mean_lift - 0.1) < 0.01


def test_revenue_holds_its_level_too() -> None:
    """Heavy tails, and what was paid before as the covariate."""
    nothing = many(SHOP, "revenue", 2_000, smallest=0.2, lift=0.0, runs=120, seed=3)
    assert nothing.sequential <= 0.05
    assert nothing.uncovered <= 0.05
