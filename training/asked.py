"""Questions of the past whose answers are known: what each task is learnt from and judged by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.model import Model
from recsvc.core.places import ANYWHERE, Place
from recsvc.core.query import Query
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING
from training.metrics import DEPTH
from training.split import HoldOut, Split
from training.targets import bought_by, new_to_customer

BASKET_SIZES = (2, 30)
"""Products of the baskets that are learnt from, at least and at most."""

LIKE_NEW = (Task.ALL, Task.AWAY)
"""Tasks that ask what :attr:`Task.NEW` asks, where nothing is bought twice."""

AGAIN_DAYS = 7.0
"""What is needed again is what is bought within a week."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the past.

    Attributes:
        query: what was asked.
        relevant: int32, distinct: what was bought.
    """

    query: Query
    relevant: NDArray[np.int32]


def without_bought(model: Model, task: Task) -> bool:
    """Whether lists for a task leave out what the customer has bought, as they do when served.

    Where nothing is bought twice, all that is bought is new, and the two tasks are one.
    """
    return task is Task.NEW or not model.buys_again


def told_apart(model: Model, tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Those of ``tasks`` that are questions of their own: see :func:`without_bought`."""
    return tuple(task for task in tasks if model.buys_again or task not in LIKE_NEW)


def lists(
    recommender: Recommender, held_out: HoldOut, customers: NDArray[np.int32], task: Task
) -> Iterator[Asked | None]:
    """What each customer bought next; ``None`` for one who bought nothing that counts.

    Args:
        recommender: fitted on ``held_out.history``.
        held_out: what was known, and what was bought next.
        customers: int32, who is asked.
        task: :attr:`Task.NEW` leaves out what each has bought.
    """
    targets = held_out.targets()
    only_new = without_bought(recommender.model, task)
    if task is Task.NEW:
        targets = new_to_customer(targets, bought_by(recommender.model.histories, targets.shape[1]))
    for customer in customers.tolist():
        relevant = targets.indices[targets.indptr[customer] : targets.indptr[customer + 1]]
        query = _at_home(recommender, customer, held_out.now, only_new=only_new)
        yield Asked(query, relevant) if len(relevant) else None


def baskets(
    recommender: Recommender, held_out: HoldOut, task: Task, at_most: int, seed: int
) -> Iterator[Asked]:
    """Baskets of the window with one product taken out, which is what is asked for.

    Args:
        recommender: fitted on ``held_out.history``.
        held_out: what was known, and what was bought next.
        task: :attr:`Task.TOGETHER` asks for the shopper, :attr:`Task.TOGETHER_COLD` for nobody in
            particular, at the shopper's place or, every other time, nowhere.
        at_most: how many baskets, drawn at random.
        seed: of that draw, and of what is taken out.
    """
    rng = np.random.default_rng(seed)
    known = held_out.known_lines()
    orders = (
        known.group_by("customer", "order")
        .agg(pl.col("item").unique().sort())
        .filter(pl.col("item").list.len().is_between(*BASKET_SIZES))
        .sort("customer", "order")
    )
    drawn = np.sort(rng.permutation(orders.height)[:at_most])
    for number, (customer, _, items) in enumerate(orders[drawn].iter_rows()):
        basket = np.array(items, np.int32)
        hidden = rng.integers(len(basket))
        query = _at_home(recommender, customer, held_out.now, basket=np.delete(basket, hidden))
        if task is Task.TOGETHER_COLD:
            query = replace(query, customer=MISSING, place=query.place if number % 2 else ANYWHERE)
        yield Asked(query, basket[hidden : hidden + 1])


def again(
    recommender: Recommender, held_out: HoldOut, customers: NDArray[np.int32]
) -> Iterator[Asked]:
    """What each customer bought again within :data:`AGAIN_DAYS`, of those who did.

    Each customer's last orders say nothing of the week after one moment: then nobody is asked.

    Args:
        recommender: fitted on ``held_out.history``.
        held_out: what was known, and what was bought next.
        customers: int32, who is asked.
    """
    if held_out.method is Split.LAST_ORDERS:
        return
    until = held_out.now + AGAIN_DAYS * SECONDS_A_DAY
    soon = held_out.known_lines().filter(
        (pl.col("time") <= until) & pl.col("customer").is_in(customers)
    )
    bought = soon.group_by("customer").agg(pl.col("item").unique().sort()).sort("customer")
    for customer, items in bought.iter_rows():
        own = recommender.model.histories.profile(customer).items
        relevant = np.intersect1d(np.array(items, np.int32), own)
        if len(relevant):
            yield Asked(_at_home(recommender, customer, held_out.now), relevant)


def _at_home(
    recommender: Recommender,
    customer: int,
    now: float,
    *,
    only_new: bool = False,
    basket: NDArray[np.int32] | None = None,
) -> Query:
    home = Place(tuple(recommender.model.histories.homes[customer].tolist()))
    return Query(
        customer=customer,
        place=home,
        size=DEPTH,
        now=now,
        only_new=only_new,
        basket=np.zeros(0, np.int32) if basket is None else basket,
    )
