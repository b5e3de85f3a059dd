"""Full-ranking evaluation against what was bought next."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.places import PLACE_LEVELS, Place
from recsvc.core.ranking import Task
from recsvc.core.recommender import Query, Recommender
from recsvc.core.vocabulary import MISSING
from training.split import HoldOut

NDCG_AT = 10
RECALL_AT = 20
N_SLICES = 10

Weights = Mapping[Task, NDArray[np.float32]]
Tick = Callable[[], object]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Column:
    """Metrics of one ranker on one kind of target, a value a customer.

    Attributes:
        customers: int32, shape ``(n,)``, indices of those with a target.
        ndcg: float64, shape ``(n,)``, nDCG@10, binary relevance.
        recall: float64, shape ``(n,)``, recall@20, divided by all targets.
    """

    customers: NDArray[np.int32]
    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]

    def summary(self) -> dict[str, float]:
        """Means over the customers, rounded for the manifest."""
        if not len(self.customers):
            return {"customers": 0}
        return {
            "customers": len(self.customers),
            f"ndcg@{NDCG_AT}": round(float(self.ndcg.mean()), 5),
            f"recall@{RECALL_AT}": round(float(self.recall.mean()), 5),
        }


def target_customers(
    targets: csr_array, at_most: int | None = None, seed: int = 0
) -> NDArray[np.int32]:
    """Customers with a target, ascending; ``at_most`` of them drawn at random."""
    customers = np.flatnonzero(np.diff(targets.indptr)).astype(np.int32)
    if at_most is None or len(customers) <= at_most:
        return customers
    drawn = np.random.default_rng(seed).choice(customers, at_most, replace=False)
    return np.sort(drawn)


def ideal_gains(n_relevant: NDArray[np.int64]) -> NDArray[np.float64]:
    """The best reachable discounted gain for each number of targets, at least 1."""
    best = np.cumsum(discounts(NDCG_AT))
    return best[np.clip(n_relevant, 1, NDCG_AT) - 1]


def discounts(n: int) -> NDArray[np.float64]:
    """Weight of a hit at each of the first ``n`` ranks."""
    return 1.0 / np.log2(np.arange(2, n + 2))


def evaluate(
    recommender: Recommender,
    held_out: HoldOut,
    rankers: Mapping[str, Weights],
    *,
    customers: NDArray[np.int32] | None = None,
    tasks: Sequence[Task] = (Task.ALL, Task.NEW),
    tick: Tick = lambda: None,
) -> dict[str, dict[Task, Column]]:
    """Rank for every customer with a target, at home, with each of several weightings.

    Args:
        recommender: fitted on ``held_out.history``.
        held_out: the cut.
        rankers: weights by name; all rank the same candidates.
        customers: customer indices to evaluate on; all that have a target unless given.
        tasks: which columns: :attr:`Task.ALL` for all purchases, :attr:`Task.NEW` for
            products that are new to the customer, out of lists without the others.
        tick: called after each customer.

    Returns:
        for each ranker one column a task.
    """
    targets = held_out.targets()
    if customers is None:
        customers = target_customers(targets)

    def one(customer: int) -> dict[tuple[str, Task], tuple[float, float]]:
        relevant = targets.indices[targets.indptr[customer] : targets.indptr[customer + 1]]
        bought = recommender.model.histories.profile(customer).items
        scores = {}
        for task in tasks:
            wanted = relevant if task is Task.ALL else np.setdiff1d(relevant, bought)
            if not len(wanted):
                continue
            query = Query(
                customer=customer,
                place=Place(tuple(recommender.model.histories.homes[customer].tolist())),
                size=RECALL_AT,
                now=held_out.now,
                only_new=task is Task.NEW,
            )
            candidates = recommender.candidates(query)
            for name, weights in rankers.items():
                items = recommender.order(candidates, weights[task], RECALL_AT)
                scores[name, task] = list_metrics(items, wanted)
        tick()
        return scores

    results = in_threads(one, customers.tolist())
    return {
        name: {task: _column(customers, results, (name, task)) for task in tasks}
        for name in rankers
    }


def list_metrics(items: NDArray[np.int32], relevant: NDArray[np.int32]) -> tuple[float, float]:
    """(nDCG@10, recall@20) of one list; a short list simply has fewer chances."""
    hits = np.isin(items, relevant)
    top = hits[:NDCG_AT]
    ideal = ideal_gains(np.array([len(relevant)]))[0]
    ndcg = float(discounts(len(top))[top].sum() / ideal)
    return ndcg, float(hits[:RECALL_AT].sum() / len(relevant))


def in_threads(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Results in order; numpy lets go of the interpreter in the larger kernels."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(function, items))


def _column(
    customers: NDArray[np.int32],
    results: Iterable[Mapping[tuple[str, Task], tuple[float, float]]],
    key: tuple[str, Task],
) -> Column:
    rows = [
        (customer, *result[key])
        for customer, result in zip(customers.tolist(), results, strict=True)
        if key in result
    ]
    table = np.array(rows, np.float64).reshape(-1, 3)
    return Column(table[:, 0].astype(np.int32), table[:, 1], table[:, 2])


def slices_by_place(
    recommender: Recommender, columns: Mapping[Task, Column]
) -> dict[str, list[dict[str, Any]]]:
    """Means for the largest home places of each level that has at least two."""
    homes = recommender.model.histories.homes
    report: dict[str, list[dict[str, Any]]] = {}
    for level in PLACE_LEVELS:
        keys = recommender.model.places.levels[level].keys
        home = homes[columns[Task.ALL].customers, level]
        places, sizes = np.unique(home[home != MISSING], return_counts=True)
        largest = places[np.argsort(-sizes, kind="stable")][:N_SLICES]
        if len(places) > 1:
            report[level.name.lower()] = [
                {"place": keys.ids[int(place)]}
                | {task.value: _at(columns[task], homes[:, level], place) for task in columns}
                for place in largest
            ]
    return report


def _at(column: Column, homes: NDArray[np.int32], place: int) -> dict[str, float]:
    here = homes[column.customers] == place
    return Column(column.customers[here], column.ndcg[here], column.recall[here]).summary()
