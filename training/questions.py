"""Later purchases as questions that published models are asked alike.

Everything is in the indices of the later purchases, so that models with vocabularies of their
own can be compared. Each model answers as its server would: with its list for a customer that
it knows, at the home that it knows, and otherwise with its list for strangers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.places import Level, Location
from recsvc.core.query import Query
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING, Vocabulary
from training.asked import without_bought
from training.column import Column
from training.evaluate import target_customers
from training.interactions import Interactions
from training.metrics import DEPTH, NOTHING
from training.targets import new_to_customer, ones, translated

TASKS = (Task.ALL, Task.NEW)


@dataclass(frozen=True, slots=True)
class Side:
    """One model beside the later purchases.

    Attributes:
        recommender: of the model.
        customers: int32, for each customer of the purchases its index in the model.
        own_customers: int32, for each customer of the model its index in the purchases.
        items: int32, for each product of the purchases its index in the model.
        own_items: int32, for each product of the model its index in the purchases.
    """

    recommender: Recommender
    customers: NDArray[np.int32]
    own_customers: NDArray[np.int32]
    items: NDArray[np.int32]
    own_items: NDArray[np.int32]

    @classmethod
    def of(cls, recommender: Recommender, purchases: Interactions) -> Self:
        """Find customers and products of either in the other, by their ids."""
        model = recommender.model
        return cls(
            recommender,
            translated(model.customers, purchases.customers),
            translated(purchases.customers, model.customers),
            translated(model.catalogue.items, purchases.items),
            translated(purchases.items, model.catalogue.items),
        )

    def bought(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Customer and product of each entry of the histories, as far as the purchases have."""
        histories = self.recommender.model.histories
        customer = np.repeat(self.own_customers, np.diff(histories.indptr))
        item = self.own_items[histories.items]
        both = (customer != MISSING) & (item != MISSING)
        return customer[both], item[both]

    def home(self, customer: int) -> Location:
        """Where a customer of the purchases is at home; nowhere where that is not known."""
        model, own = self.recommender.model, int(self.customers[customer])
        keys = [level.keys for level in model.places.levels]
        return Location() if own == MISSING else _location(keys, model.histories.homes[own])


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked, of whom and where.

    Attributes:
        customers: int32, shape ``(n,)``, ascending: those with a later purchase.
        wanted: for each of :data:`TASKS` all customers by items, 1 for what was bought later.
        places: for each of ``customers`` where it is, to a model that does not know its home.
        now: the moment of all questions, seconds since 1970: the end of the later data.
    """

    customers: NDArray[np.int32]
    wanted: Mapping[Task, csr_array]
    places: Sequence[Location]
    now: float

    @classmethod
    def of(cls, sides: Sequence[Side], purchases: Interactions) -> Self:
        """Ask for what was bought after all models' data ended and one of them knows.

        New to a customer is what no model's data has the customer buying. Who is a stranger
        to one model stands at the home that another knows, or else where the first later
        purchase was made. Purchases without times are all taken as later.
        """
        now = max(side.recommender.model.data_end for side in sides)
        is_known = np.any([side.items != MISSING for side in sides], axis=0)
        usable = pl.Series(is_known[purchases.lines["item"].to_numpy()])
        if purchases.has_times:
            usable &= purchases.lines["time"] > now
        lines = purchases.lines.filter(usable)
        shape = (len(purchases.customers), len(purchases.items))
        targets = ones((lines["customer"].to_numpy(), lines["item"].to_numpy()), shape)
        customer, item = (
            np.concatenate(parts) for parts in zip(*(side.bought() for side in sides), strict=True)
        )
        new = new_to_customer(targets, ones((customer, item), shape))
        first = lines.unique("customer", keep="first", maintain_order=True).sort("customer")
        customers = target_customers(targets)
        places = [
            next(filter(None, (side.home(customer) for side in sides)), None)
            or _location(purchases.locations.keys, purchases.locations.indices[location])
            for customer, location in first.select("customer", "location").iter_rows()
        ]
        return cls(customers, {Task.ALL: targets, Task.NEW: new}, places, now)


def ask(side: Side, questions: Questions, tick: Callable[[], object]) -> dict[Task, Column]:
    """One model's lists for all questions, measured; a column a task.

    ``tick`` is called after each customer.
    """
    recommender, customers = side.recommender, questions.customers
    wanted = {task: questions.wanted[task][customers] for task in TASKS}
    lists = {task: np.full((len(customers), DEPTH), NOTHING, np.int32) for task in TASKS}
    for row, own in enumerate(side.customers[customers].tolist()):
        location = questions.places[row] if own == MISSING else Location()
        for task in TASKS:
            if wanted[task].indptr[row] == wanted[task].indptr[row + 1]:
                continue
            query = Query(
                customer=own,
                place=recommender.place(own, location),
                size=DEPTH,
                now=questions.now,
                only_new=without_bought(recommender.model, task),
            )
            case = recommender.candidates(query)
            ranker = recommender.ranker(recommender.task(query, case.moment.profile))
            items = recommender.order(case, ranker, query.form)
            # What nobody bought later becomes NOTHING at its rank: it is no hit either way.
            lists[task][row, : len(items)] = side.own_items[items]
        tick()
    return {task: Column.of(customers, lists[task], wanted[task]) for task in TASKS}


def _location(keys: Sequence[Vocabulary], indices: NDArray[np.int32]) -> Location:
    names = [
        level.ids[index] if index != MISSING else ""
        for level, index in zip(keys, indices.tolist(), strict=True)
    ]
    return Location(
        store_id=names[Level.STORE],
        postal_code=names[Level.POSTAL_CODE].partition("|")[2],
        cell=names[Level.CELL],
        subdivision_code=names[Level.SUBDIVISION],
        country_code=names[Level.COUNTRY],
    )
