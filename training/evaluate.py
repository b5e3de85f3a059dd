"""Full-ranking evaluation against what was bought next."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.diversity import Diversity
from recsvc.core.places import Place
from recsvc.core.query import Query
from recsvc.core.ranking import Ranker, Task
from recsvc.core.recommender import Recommender
from training.asked import told_apart, without_bought
from training.column import Column
from training.metrics import DEPTH, NOTHING
from training.targets import bought_by, new_to_customer

Rankers = Mapping[Task, Ranker]
Tick = Callable[[], object]


def target_customers(
    targets: csr_array, at_most: int | None = None, seed: int = 0
) -> NDArray[np.int32]:
    """Customers with a target, ascending; ``at_most`` of them drawn at random."""
    customers = np.flatnonzero(np.diff(targets.indptr)).astype(np.int32)
    if at_most is None or len(customers) <= at_most:
        return customers
    drawn = np.random.default_rng(seed).choice(customers, at_most, replace=False)
    return np.sort(drawn)


def evaluate(
    recommender: Recommender,
    targets: csr_array,
    now: float,
    rankers: Mapping[str, Rankers],
    *,
    customers: NDArray[np.int32] | None = None,
    tasks: Sequence[Task] = (Task.ALL, Task.NEW),
    diversity: Diversity = Diversity.NONE,
    tick: Tick = lambda: None,
) -> dict[str, dict[Task, Column]]:
    """Rank for every customer with a target, at home, with each of several weightings.

    Args:
        recommender: fitted on what came before.
        targets: customers by items, 1 for what was bought next.
        now: the moment of the cut, seconds since 1970.
        rankers: rankers by name; all rank the same candidates.
        customers: customer indices to evaluate on; all that have a target unless given.
        tasks: which columns: :attr:`Task.ALL` for all purchases, :attr:`Task.NEW` for
            products that are new to the customer, out of lists without the others.
        diversity: how varied the lists are.
        tick: called after each customer.

    Returns:
        for each ranker one column a task.
    """
    if customers is None:
        customers = target_customers(targets)
    bought = bought_by(recommender.model.histories, targets.shape[1])
    new = new_to_customer(targets, bought)
    wanted = {task: (new if task is Task.NEW else targets)[customers] for task in tasks}
    lists = {
        (name, task): np.full((len(customers), DEPTH), NOTHING, np.int32)
        for name in rankers
        for task in tasks
    }
    apart = told_apart(recommender.model, tasks) if Task.NEW in tasks else tasks
    asked = {
        (row, task): Query(
            customer=customer,
            place=Place(tuple(recommender.model.histories.homes[customer].tolist())),
            size=DEPTH,
            now=now,
            only_new=without_bought(recommender.model, task),
            diversity=diversity,
        )
        for row, customer in enumerate(customers.tolist())
        for task in apart
        # With nothing to find the list would not be looked at.
        if wanted[task].indptr[row] < wanted[task].indptr[row + 1]
    }
    cases = recommender.candidates_all((query, None) for query in asked.values())
    for row in range(len(customers)):
        for task in apart:
            query = asked.get((row, task))
            if query is None:
                continue
            case = next(cases)
            for name, by_task in rankers.items():
                items = recommender.order(case, by_task[task], query.form)
                lists[name, task][row, : len(items)] = items
        tick()
    return {
        name: {
            task: Column.of(
                customers,
                lists[name, task if task in apart else Task.NEW],
                wanted[task],
                bought,
            )
            for task in tasks
        }
        for name in rankers
    }


BASELINES = {
    "popularity": "popularity",
    "popularity by place": "place",
    "own purchases": "own_long",
}
"""Rankers that follow one score alone, ties broken by popularity."""


def only(name: str, scores: Sequence[str]) -> Ranker:
    """A ranker that follows one of ``scores`` alone."""
    return Ranker(np.array([1.0 if score == name else 0.0 for score in scores], np.float32))


def with_baselines(recommender: Recommender) -> dict[str, Rankers]:
    """The model's own rankers as "recsvc", and those of :data:`BASELINES` it has scores for."""
    rankers: dict[str, Rankers] = {"recsvc": recommender.model.rankers}
    for name, score in BASELINES.items():
        if score in recommender.scores:
            alone = only(score, recommender.scores)
            rankers[name] = {Task.ALL: alone, Task.NEW: alone}
    return rankers
