"""Several questions at once: each is answered as it is alone, and what is the same is done once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsvc.core import recommender as module
from recsvc.core.panel import Panel
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.sources import Moment
from recsvc.core.stages import Stage
from recsvc.core.vocabulary import MISSING
from tests.acts import acts_of, bought
from tests.counting import DATA_END, DAY
from tests.samples import item_indices, tiny_model

NAME = "collaborative"


@pytest.fixture
def recommender() -> Recommender:
    return Recommender(tiny_model())


def questions(recommender: Recommender) -> list[Query]:
    """Of all customers and strangers, in several situations."""
    basket = item_indices(recommender.model, "milk", "bread")
    acts = acts_of(bought(int(item_indices(recommender.model, "jam")[0]), day=1))
    found = []
    for customer in (MISSING, *range(len(recommender.model.customers))):
        place = recommender.place(customer, Location())
        query = Query(customer=customer, place=place, now=DATA_END, size=6)
        more: list[dict[str, Any]] = [
            {"only_new": True},
            {"session": basket},
            {"basket": basket, "stage": Stage.CART},
            {"acts": acts},
            {"now": DATA_END + DAY},
            {"stage": Stage.DISCOVER},
        ]
        found += [query, *(replace(query, **fields) for fields in more)]
    return found


@pytest.mark.parametrize("at_most", [1, 3, 1_000])
def test_each_list_is_the_one_that_is_made_alone(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch, at_most: int
) -> None:
    """Bit for bit, however many are prepared together, and in the order of the questions."""
    monkeypatch.setattr(module, "MAX_TOGETHER", at_most)
    asked = questions(recommender)

    together = list(recommender.recommend_all(asked))

    for query, found in zip(asked, together, strict=True):
        alone = recommender.recommend(query)
        assert np.array_equal(found.items, alone.items)
        assert np.array_equal(found.scores, alone.scores)
        assert np.array_equal(found.strategies, alone.strategies)


@pytest.mark.parametrize("task", [None, Task.AGAIN, Task.TOGETHER, Task.TOGETHER_COLD])
def test_candidates_are_those_that_are_found_alone(
    recommender: Recommender, task: Task | None
) -> None:
    """Bit for bit, with whatever is shared by those who ask for the same shopper."""
    asked = questions(recommender)

    together = list(recommender.candidates_all((query, task) for query in asked))

    for query, found in zip(asked, together, strict=True):
        alone = recommender.candidates(query, task)
        assert np.array_equal(found.items, alone.items)
        assert np.array_equal(found.scores, alone.scores)


def test_what_is_the_same_for_two_questions_is_computed_once(recommender: Recommender) -> None:
    """Of one shopper as of one time; not of another, at another time, or after other acts."""
    anna = Query(customer=0, now=DATA_END)
    asked = [
        anna,
        replace(anna, only_new=True),
        replace(anna, customer=1),
        replace(anna, customer=1, now=DATA_END + 2 * DAY),
        replace(anna, customer=1, now=DATA_END + 2 * DAY, acts=acts_of(bought(2, day=1))),
    ]

    cases = recommender.candidates_all((query, None) for query in asked)

    def failing() -> object:
        raise AssertionError("it was not kept")

    first, new, *others = [case.moment.dense(NAME, failing) for case in cases]
    assert first is new
    assert len({id(scores) for scores in (first, *others)}) == len(asked) - 1


def test_a_panel_that_all_tasks_ask_shares_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no baskets were counted, the sources of a list are those of what goes with one."""
    recommender = Recommender(tiny_model(baskets=None))
    assert recommender.panel(Task.TOGETHER) is recommender.panel(Task.ALL)
    shared: list[int] = []
    share = Panel.share

    def counting(self: Panel, moments: Sequence[Moment]) -> None:
        shared.append(len(moments))
        share(self, moments)

    monkeypatch.setattr(Panel, "share", counting)
    recommender.candidates(Query(customer=0, now=DATA_END))
    assert shared == [1]


def test_no_more_are_prepared_than_are_worth_it(recommender: Recommender) -> None:
    """What is prepared holds memory: the more products, the fewer questions."""
    drawn: list[Query] = []

    def asked() -> Iterator[Query]:
        for query in questions(recommender) * 2:
            drawn.append(query)
            yield query

    lists = recommender.recommend_all(asked())
    next(lists)
    assert len(drawn) == recommender.n_together == module.MAX_TOGETHER


def test_a_large_catalogue_is_asked_for_few_at_a_time(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at least."""
    n_items = len(recommender.model.catalogue)
    monkeypatch.setattr(module, "SCORES_TOGETHER", 2 * n_items)
    assert recommender.n_together == 2
    monkeypatch.setattr(module, "SCORES_TOGETHER", n_items - 1)
    assert recommender.n_together == 1
