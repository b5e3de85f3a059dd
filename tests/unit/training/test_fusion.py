"""Tuning of the blend's weights."""

import numpy as np
import pytest
from training.blend import MIN_FOLD, START, starting_weights, tune

from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from tests.purchases import built, interactions_of, shop_events, shop_interactions
from training.evaluate import evaluate, target_customers
from training.interactions import SECONDS_A_DAY
from training.split import HoldOut, hold_out

WINDOW = 28 * SECONDS_A_DAY
EVERYBODY = 1000


@pytest.fixture(scope="module")
def held_out() -> HoldOut:
    return hold_out(shop_interactions(), WINDOW, seed=0)


@pytest.fixture(scope="module")
def recommender(held_out: HoldOut) -> Recommender:
    return Recommender(built(held_out.history))


def test_the_start_names_only_features_that_exist(recommender: Recommender) -> None:
    """Every starting weight belongs to a feature; a feature without one starts at 0."""
    assert {name for start in START.values() for name in start} <= set(recommender.features)

    weights = starting_weights(("popularity", "place", "unheard_of"))

    assert weights.keys() == set(Task)
    assert weights[Task.COLD].tolist() == [0.5, 1.0, 0.0]


def test_tuning_improves_on_the_start(recommender: Recommender, held_out: HoldOut) -> None:
    """On the window that it was tuned on, every task ranks better than with the start."""
    ticks: list[None] = []

    weights, reached = tune(
        recommender, held_out, EVERYBODY, seed=0, tick=lambda: ticks.append(None)
    )

    assert len(ticks) == len(Task)
    assert weights.keys() == reached.keys() == set(Task)
    start = starting_weights(recommender.features)
    columns = evaluate(
        recommender, held_out.targets(), held_out.now, {"start": start, "tuned": weights}
    )
    for task in (Task.ALL, Task.NEW):
        tuned = columns["tuned"][task].ndcg.mean()
        assert tuned > columns["start"][task].ndcg.mean()
        # What the search says it reached is what the full ranking measures.
        assert reached[task] == pytest.approx(tuned, abs=1e-6)
    for found in weights.values():
        assert (found >= 0).all()
        assert found.any()


def test_tuning_is_deterministic(recommender: Recommender, held_out: HoldOut) -> None:
    """The same seed finds the same weights; the draw of customers is part of it."""
    first, second = (tune(recommender, held_out, 40, seed=3) for _ in range(2))

    for task in Task:
        np.testing.assert_array_equal(first[0][task], second[0][task])
    assert first[1] == second[1]


def test_few_lists_are_searched_in_one_go(recommender: Recommender, held_out: HoldOut) -> None:
    """With too few lists for several searches, one over all of them never falls behind."""
    n_customers = 2 * MIN_FOLD - 1

    weights, _ = tune(recommender, held_out, n_customers, seed=0)

    targets = held_out.targets()
    columns = evaluate(
        recommender,
        targets,
        held_out.now,
        {"start": starting_weights(recommender.features), "tuned": weights},
        customers=target_customers(targets, n_customers, seed=0),
    )
    for task in (Task.ALL, Task.NEW):
        assert columns["tuned"][task].ndcg.mean() >= columns["start"][task].ndcg.mean()


def test_without_places_the_away_weights_are_the_start() -> None:
    """Data without places asks nothing away from home: that task keeps its start."""
    events = shop_events().drop("store_id").filter(quantity=1.0)
    held_out = hold_out(interactions_of(*events.to_dicts()), WINDOW, seed=0)
    recommender = Recommender(built(held_out.history))

    weights, reached = tune(recommender, held_out, 60, seed=0)

    start = starting_weights(recommender.features)
    assert Task.AWAY not in reached
    np.testing.assert_array_equal(weights[Task.AWAY], start[Task.AWAY])
    assert Task.ALL in reached


def test_without_anything_new_the_new_weights_are_the_start() -> None:
    """Customers who only ever repeat themselves ask for nothing new."""
    rows = [
        {"customer_id": f"c{c}", "product_id": f"p{c % 5}", "day": 7 * week + c % 7}
        for c in range(30)
        for week in range(20)
    ]
    held_out = hold_out(interactions_of(*rows), WINDOW, seed=0)
    recommender = Recommender(built(held_out.history))

    weights, reached = tune(recommender, held_out, EVERYBODY, seed=0)

    assert Task.NEW not in reached
    start = starting_weights(recommender.features)
    np.testing.assert_array_equal(weights[Task.NEW], start[Task.NEW])
    assert reached[Task.ALL] == pytest.approx(1)
