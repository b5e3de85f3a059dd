"""Evaluation, against a plain recomputation through the recommender."""

from math import log2

import numpy as np
import pytest

from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from tests.purchases import SMALL, built
from training.evaluate import BASELINES, evaluate, only, target_customers, with_baselines
from training.split import HoldOut


@pytest.fixture(scope="module")
def recommender(held_out: HoldOut) -> Recommender:
    return Recommender(built(held_out.history))


def bought_next(held_out: HoldOut, customer: int) -> set[int]:
    """The products of a customer's target, read off the lines."""
    known = set(held_out.history.lines["item"].to_list())
    return set(held_out.future.lines.filter(customer=customer)["item"].to_list()) & known


def recomputed(
    recommender: Recommender, held_out: HoldOut, customer: int, task: Task
) -> tuple[float, float] | None:
    """nDCG@10 and recall@20 of the list that a caller would get; None without a target."""
    wanted = bought_next(held_out, customer)
    if task is Task.NEW:
        wanted -= set(recommender.model.histories.profile(customer).items.tolist())
    if not wanted:
        return None
    home = recommender.place(customer, Location())
    query = Query(
        customer=customer, place=home, size=20, now=held_out.now, only_new=task is Task.NEW
    )
    items = recommender.recommend(query).items.tolist()
    gain = sum(1 / log2(rank + 2) for rank, item in enumerate(items[:10]) if item in wanted)
    ideal = sum(1 / log2(rank + 2) for rank in range(min(len(wanted), 10)))
    return gain / ideal, len(wanted.intersection(items)) / len(wanted)


def test_metrics_are_those_of_the_lists_that_callers_get(
    recommender: Recommender, held_out: HoldOut
) -> None:
    """Each customer's metrics are those of Recommender.recommend's own lists at home."""
    columns = evaluate(
        recommender,
        held_out.targets(),
        held_out.now,
        {"recsvc": recommender.model.rankers},
    )["recsvc"]

    for task in (Task.ALL, Task.NEW):
        expected = {
            customer: metrics
            for customer in range(len(held_out.history.customers))
            if (metrics := recomputed(recommender, held_out, customer, task)) is not None
        }
        column = columns[task]
        assert column.customers.tolist() == list(expected)
        found = np.stack([column.ndcg, column.recall], axis=1)
        np.testing.assert_allclose(found, np.array(list(expected.values())))
    assert 0.2 < columns[Task.ALL].ndcg.mean() <= 1  # the shop's habits can be learnt


def test_every_ranker_ranks_the_same_customers(recommender: Recommender, held_out: HoldOut) -> None:
    """Baselines are measured beside the model; one that follows repeats finds nothing new."""
    ticks: list[None] = []
    columns = evaluate(
        recommender,
        held_out.targets(),
        held_out.now,
        with_baselines(recommender),
        tick=lambda: ticks.append(None),
    )

    assert list(columns) == ["recsvc", *BASELINES]
    measured = {name: by_task[Task.ALL].customers.tolist() for name, by_task in columns.items()}
    assert all(customers == measured["recsvc"] for customers in measured.values())
    assert len(ticks) == len(measured["recsvc"])
    by_repeats, by_sales = columns["own purchases"], columns["popularity"]
    # Ties (0 for every new product) are broken by popularity.
    np.testing.assert_array_equal(by_repeats[Task.NEW].ndcg, by_sales[Task.NEW].ndcg)
    assert by_repeats[Task.ALL].ndcg.mean() > by_sales[Task.ALL].ndcg.mean()


def test_some_customers_and_tasks_can_be_asked_for(
    recommender: Recommender, held_out: HoldOut
) -> None:
    """Only the customers and tasks that are named are measured."""
    customers = target_customers(held_out.targets())[:3]

    columns = evaluate(
        recommender,
        held_out.targets(),
        held_out.now,
        {"x": recommender.model.rankers},
        customers=customers,
        tasks=[Task.ALL],
    )

    assert list(columns["x"]) == [Task.ALL]
    assert columns["x"][Task.ALL].customers.tolist() == customers.tolist()


def test_baselines_without_a_score_are_left_out(held_out: HoldOut) -> None:
    """A model trained without place or own purchases is compared with popularity alone."""
    settings = type(SMALL)(without=frozenset({"own", "place", "collaborative", "neighbours"}))
    recommender = Recommender(built(held_out.history, settings))

    assert list(with_baselines(recommender)) == ["recsvc", "popularity"]


def test_one_score_alone() -> None:
    """A ranker of one score has weight 1 there and 0 elsewhere, and no trees."""
    ranker = only("b", ("a", "b", "c"))

    assert ranker.weights.tolist() == [0, 1, 0]
    assert ranker.trees is None


def test_customers_are_drawn_by_the_seed(held_out: HoldOut) -> None:
    """A draw is ascending, of the size asked, the same for a seed; all if fewer are there."""
    targets = held_out.targets()
    everyone = target_customers(targets)

    drawn, again, other = (target_customers(targets, 20, seed) for seed in (1, 1, 2))

    assert everyone.tolist() == sorted({*np.repeat(np.arange(150), np.diff(targets.indptr))})
    assert drawn.tolist() == again.tolist() == sorted(set(drawn.tolist()))
    assert len(drawn) == 20
    assert drawn.tolist() != other.tolist()
    assert target_customers(targets, 10_000).tolist() == everyone.tolist()
