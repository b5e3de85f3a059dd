"""Which of two published models is better: paired differences on the same later purchases.

Both are asked the same questions (:mod:`training.questions`), so every difference is taken
within a customer. Customers that only one model knows count: the other answers them as
strangers. A product that only one knows can be found by that one alone, and counts for both;
one that neither knows is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING
from recsvc.errors import InputError
from training.column import HEADLINE, Column
from training.interactions import Interactions
from training.progress import Reporter
from training.questions import TASKS, Questions, Side, ask
from training.significance import CONFIDENCE, Interval, bootstrap_each
from training.slices import (
    ESTABLISHED,
    NEW,
    PRODUCT,
    SEGMENT,
    customer_labels,
    new_products,
    segment_labels,
    slices,
)
from training.targets import new_to_customer

TOTAL = "total"
"""Kind of the one slice that holds all customers; its name is ``""``."""
KNOWN = "known"
"""Kind of the slices by which model knows the customer."""
PURCHASES = "purchases"
"""Kind of the slices by whether the customer had bought the product before."""
REPEAT = "repeat"
"""Name of the slice of what was bought again; what was not has a task of its own."""
KNOWN_TO_BOTH, KNOWN_TO_A, KNOWN_TO_B, KNOWN_TO_NONE = "both", "only A", "only B", "neither"


@dataclass(frozen=True, slots=True)
class Difference:
    """Two models' means of one metric over the same customers.

    Attributes:
        kind: of the slice: :data:`TOTAL`, :data:`KNOWN`, :data:`PURCHASES` or as in
            :mod:`training.slices`.
        name: of the slice within its kind.
        task: all purchases, or those new to the customer.
        metric: as in ``ndcg@10``.
        n_customers: how many were measured.
        mean_a: of the first model.
        mean_b: of the second.
        difference: mean of the first less the second, and its interval over customers.
    """

    kind: str
    name: str
    task: Task
    metric: str
    n_customers: int
    mean_a: float
    mean_b: float
    difference: Interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences between two models.

    Attributes:
        since: end of the later model's data, seconds since 1970: purchases after it count.
        n_customers: how many customers were asked for.
        differences: the totals first, then the slices; a slice without a target is left out.
    """

    since: float
    n_customers: int
    differences: tuple[Difference, ...]

    def of(self, task: Task, metric: str = HEADLINE[0]) -> list[Difference]:
        """The total and the slices of one task and metric."""
        return [each for each in self.differences if each.task is task and each.metric == metric]


def compare(
    a: Recommender,
    b: Recommender,
    purchases: Interactions,
    reporter: Reporter,
    *,
    segments: Mapping[str, str] | None = None,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Measure both models on the purchases that are later than the data of either.

    Args:
        a: the first model.
        b: the second.
        purchases: encoded by themselves; purchases without times are all taken as later.
        reporter: where progress is shown.
        segments: segment by customer id, for slices.
        confidence: of the intervals, 0 to 1. Of forty slices of equal models one looks worse
            at .95 by chance: who decides on slices asks for more.

    Raises:
        InputError: nothing that either model knows was bought later.
    """
    sides = (Side.of(a, purchases), Side.of(b, purchases))
    questions = Questions.of(sides, purchases)
    n_customers = len(questions.customers)
    if not n_customers:
        raise InputError(
            "--events: no purchase of a product of the models after their data ended "
            f"({datetime.fromtimestamp(questions.now, UTC):%d %B %Y}); give later purchases"
        )
    with reporter.stage("compare", 2 * n_customers) as tick, threadpool_limits(1, "blas"):
        columns = [ask(side, questions, tick) for side in sides]
    labels = _labels(sides)
    if segments is not None:
        labels[SEGMENT] = segment_labels(purchases.customers, segments)
    asked = np.isin(np.arange(len(purchases.customers)), questions.customers)
    parts = slices({kind: np.where(asked, names, "") for kind, names in labels.items()})
    products = _products(sides)
    totals: list[Difference] = []
    sliced: list[Difference] = []
    for task in TASKS:
        pair = [by_task[task] for by_task in columns]
        totals += _differences(TOTAL, "", task, pair, confidence)
        for part in parts:
            some = [column.where(part.members[column.customers]) for column in pair]
            sliced += _differences(part.kind, part.name, task, some, confidence)
        for name, items in products.items():
            some = [column.wanting(items) for column in pair]
            sliced += _differences(PRODUCT, name, task, some, confidence)
        if task is Task.ALL:
            repeats = new_to_customer(questions.wanted[Task.ALL], questions.wanted[Task.NEW])
            some = [Column.of(c.customers, c.lists, repeats[c.customers]) for c in pair]
            sliced += _differences(PURCHASES, REPEAT, task, some, confidence)
    return Comparison(questions.now, n_customers, (*totals, *sliced))


def _labels(sides: Sequence[Side]) -> dict[str, NDArray[np.object_]]:
    """The slices of each customer of the purchases, as the first model that knows it has them."""
    known_a, known_b = (side.customers != MISSING for side in sides)
    by_side = [
        # MISSING is -1: a stranger takes the last name, which is none.
        {kind: np.append(names, "")[side.customers] for kind, names in labels.items()}
        for side in sides
        for labels in [customer_labels(side.recommender.model)]
    ]
    known = np.array([[KNOWN_TO_NONE, KNOWN_TO_B], [KNOWN_TO_A, KNOWN_TO_BOTH]], np.object_)
    return {KNOWN: known[known_a.astype(int), known_b.astype(int)]} | {
        kind: np.where(known_a, by_side[0][kind], by_side[1][kind]) for kind in by_side[0]
    }


def _products(sides: Sequence[Side]) -> dict[str, NDArray[np.bool_]]:
    """Which products are new to every model that knows them; nothing where that tells nothing."""
    established = np.zeros(len(sides[0].items), np.bool_)
    for side in sides:
        old = side.own_items[~new_products(side.recommender.model)]
        established[old[old != MISSING]] = True
    is_new = np.any([side.items != MISSING for side in sides], axis=0) & ~established
    if not (is_new.any() and established.any()):
        return {}
    return {NEW: is_new, ESTABLISHED: established}


def _differences(
    kind: str, name: str, task: Task, pair: Sequence[Column], confidence: float
) -> list[Difference]:
    """A difference a metric, none without customers; both columns are of the same customers."""
    a, b = (np.stack([column.values[m] for m in HEADLINE], axis=1) for column in pair)
    if not len(a):
        return []
    found = bootstrap_each(a - b, confidence=confidence)
    means = zip(HEADLINE, a.mean(axis=0).tolist(), b.mean(axis=0).tolist(), found, strict=True)
    return [
        Difference(kind, name, task, metric, len(a), mean_a, mean_b, interval)
        for metric, mean_a, mean_b, interval in means
    ]
