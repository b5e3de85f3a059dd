"""What a computed list is made of, each part timed alone on the products of real customers."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from operator import matmul
from pathlib import Path

from threadpoolctl import threadpool_limits

from recsvc.artifacts.registry import Registry
from recsvc.core.case import Case
from recsvc.core.model import Model
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.scoring import sifted
from recsvc.core.sources import Collaborative, Source
from tests.benchmarks.speed.paths import PAGE_SIZE, somebody

REPEATS = 5


def measure(registry: Path, n_customers: int = 100) -> dict[str, float]:
    """CPU of one thread, microseconds a list: the median over customers of the least of some runs.

    ``kernels`` is the sum of all but the last, ``recommend``: a list from the question to its
    ranking.
    """
    manifest, arrays = Registry(registry).load("current")
    model = Model.from_arrays(arrays, manifest.parameters)
    recommender = Recommender(model)
    rows: list[dict[str, float]] = []
    with threadpool_limits(1):
        for customer_id, store_id in somebody(registry, n_customers):
            customer = model.customers.index(customer_id)
            place = recommender.place(customer, Location(store_id=store_id))
            query = Query(customer=customer, place=place, size=PAGE_SIZE, now=model.data_end)
            rows.append(_of(recommender, query))
    found = {name: statistics.median(row.get(name, 0.0) for row in rows) for name in rows[0]}
    kernels = sum(us for name, us in found.items() if name != "recommend")
    return {**found, "kernels": kernels, "of_kernels": found["recommend"] / kernels}


def _of(recommender: Recommender, query: Query) -> dict[str, float]:
    case = recommender.candidates(query)
    ranker = recommender.ranker(recommender.task(query, case.moment.profile))
    found: dict[str, float] = {}
    for source in recommender.model.sources:
        if isinstance(source, Collaborative):
            user = source.factors.user(case.moment.profile)
            found[f"{source.name}: fold in"] = _least(
                partial(source.factors.user, case.moment.profile)
            )
            found[f"{source.name}: scores"] = _least(partial(matmul, source.factors.items, user))
        else:
            found[source.name] = _least(partial(_scored, source, case))
    features, kept = case.panel.features, sifted(case, ranker)
    found["features"] = _least(partial(features.of, case, kept))
    if ranker.trees is not None:
        found["trees"] = _least(partial(ranker.trees.predict, features.of(case, kept)))
    found["recommend"] = _least(partial(recommender.recommend, query))
    return found


def _scored(source: Source, case: Case) -> object:
    # A moment of its own, which knows no scores yet.
    return source.score(replace(case.moment, _dense={}), case.items)


def _least(work: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEATS):
        begun = time.thread_time()
        work()
        took.append(time.thread_time() - begun)
    return 1e6 * min(took)
