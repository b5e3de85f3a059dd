"""Tuning of the fusion's weights."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.ranking import PLAIN, Task
from recsvc.core.recommender import Recommender
from tests.purchases import built, interactions_of, shop_events, shop_interactions
from training.evaluate import evaluate, target_customers
from training.fusion import MIN_FOLD, TUNED, starting_rankers, tune
from training.split import HoldOut, hold_out

WINDOW = 28 * SECONDS_A_DAY


@pytest.fixture(scope="module")
def held_out() -> HoldOut:
    return hold_out(shop_interactions(), WINDOW, seed=0)


@pytest.fixture(scope="module")
def recommender(held_out: HoldOut) -> Recommender:
    return Recommender(built(held_out.history))


def drawn(held_out: HoldOut, at_most: int | None = None) -> NDArray[np.int32]:
    return target_customers(held_out.targets(), at_most, seed=0)


def test_the_start_names_only_scores_that_exist(recommender: Recommender) -> None:
    """Every starting weight belongs to a score; a score without one starts at 0."""
    # Regressions are fitted where they suit the data; all others are in this shop.
    known = {*recommender.scores, "ease", "spectral", "transitions"}
    assert {name for task in TUNED for name in PLAIN[task]} <= known

    rankers = starting_rankers(("popularity", "place", "unheard_of"))

    assert rankers.keys() == set(TUNED)
    assert rankers[Task.COLD].weights.tolist() == [0.5, 1.0, 0.0]


def test_tuning_improves_on_the_start(recommender: Recommender, held_out: HoldOut) -> None:
    """On the window that it was tuned on, every task ranks better than with the start."""
    ticks: list[None] = []

    rankers, reached = tune(
        recommender, held_out, drawn(held_out), seed=0, tick=lambda: ticks.append(None)
    )

    assert len(ticks) == len(TUNED)
    assert rankers.keys() == reached.keys() == set(TUNED)
    start = starting_rankers(recommender.scores)
    columns = evaluate(
        recommender, held_out.targets(), held_out.now, {"start": start, "tuned": rankers}
    )
    for task in (Task.ALL, Task.NEW):
        tuned = columns["tuned"][task].ndcg.mean()
        assert tuned > columns["start"][task].ndcg.mean()
        # What the search says it reached is what the full ranking measures.
        assert reached[task] == pytest.approx(tuned, abs=1e-6)
    for found in rankers.values():
        assert (found.weights >= 0).all()
        assert found.weights.any()


def test_tuning_is_deterministic(recommender: Recommender, held_out: HoldOut) -> None:
    """The same customers and seed find the same weights."""
    first, second = (tune(recommender, held_out, drawn(held_out, 60), seed=3) for _ in range(2))

    for task in TUNED:
        np.testing.assert_array_equal(first[0][task].weights, second[0][task].weights)
    assert first[1] == second[1]


def test_few_lists_are_searched_in_one_go(recommender: Recommender, held_out: HoldOut) -> None:
    """With too few lists for several searches, one over all of them never falls behind."""
    customers = drawn(held_out, 2 * MIN_FOLD - 1)

    rankers, _ = tune(recommender, held_out, customers, seed=0)

    targets = held_out.targets()
    columns = evaluate(
        recommender,
        targets,
        held_out.now,
        {"start": starting_rankers(recommender.scores), "tuned": rankers},
        customers=customers,
    )
    for task in (Task.ALL, Task.NEW):
        assert columns["tuned"][task].ndcg.mean() >= columns["start"][task].ndcg.mean()


def test_without_places_the_away_weights_are_the_start() -> None:
    """Data without places asks nothing away from home: that task keeps its start."""
    events = shop_events().drop("store_id").filter(quantity=1.0)
    held_out = hold_out(interactions_of(*events.to_dicts()), WINDOW, seed=0)
    recommender = Recommender(built(held_out.history))

    rankers, reached = tune(recommender, held_out, drawn(held_out, 60), seed=0)

    start = starting_rankers(recommender.scores)
    assert Task.AWAY not in reached
    np.testing.assert_array_equal(rankers[Task.AWAY].weights, start[Task.AWAY].weights)
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

    rankers, reached = tune(recommender, held_out, drawn(held_out), seed=0)

    assert Task.NEW not in reached
    start = starting_rankers(recommender.scores)
    np.testing.assert_array_equal(rankers[Task.NEW].weights, start[Task.NEW].weights)
    assert reached[Task.ALL] == pytest.approx(1)
