"""What a computed list costs as the catalogue grows, beside one pass over its factors."""

import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from recsvc.artifacts.registry import Registry
from recsvc.core.allowed import allowed_by
from recsvc.core.model import Model
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.scoring import scored
from recsvc.core.sources import Collaborative, Moment
from tests.benchmarks.speed.grown import grown
from training.models.inverted import with_inverted_file

SIZES = (10_000, 100_000, 1_000_000)
PAGE_SIZE = 20
N_WARM = 20
N_ADDED_AT_ONCE = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What lists cost with one catalogue; CPU of one thread.

    Attributes:
        n_items: products.
        n_customers: those of the model.
        ms: a list, the median over customers.
        p90_ms: of ten of them nine cost at most that.
        new_ms: a list of what the customer has never bought, the median.
        exact_ms: a list where all factors are read, the median.
        same_products: share of the products of such lists that are on the others.
        recall: of the best products by factors, as training measured it; 1 where all are read.
        n_probes: lists of the inverted file that are read, 0 where there is none.
        flat_ms: faiss's scan of all factors for the best, the median.
        stages: the median of each step alone, ms.
        start_seconds: from the mapped arrays to the first list.
        private_mib: memory of the process that no other shares.
        peak_mib: with the mapped arrays as far as they were read.
    """

    n_items: int
    n_customers: int
    ms: float
    p90_ms: float
    new_ms: float
    exact_ms: float
    same_products: float
    recall: float
    n_probes: int
    flat_ms: float
    stages: dict[str, float]
    start_seconds: float
    private_mib: float
    peak_mib: float


def measure(
    registry: Path, work: Path, sizes: Sequence[int], n_lists: int
) -> list[dict[str, object]]:
    """The costs at each size; every one in a process of its own."""
    found = []
    for n_items in sizes:
        folder = work / f"registry-{n_items}"
        # Spawned: what the one leaves in memory is none of the other's.
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
            pool.submit(make, registry, folder, n_items).result()
            found.append(asdict(pool.submit(cost, folder, n_lists).result()))
    return found


def make(registry: Path, folder: Path, n_items: int) -> None:
    """Publish the current model of a registry, grown to so many products, in another."""
    target = Registry(folder)
    target.prepare()
    if target.pointer() is not None:
        return
    manifest, arrays = Registry(registry).load("current")
    model = indexed(grown(Model.from_arrays(arrays, manifest.parameters), n_items))
    now = datetime.now(UTC)
    version = target.publish(
        model.to_arrays(),
        model_id=manifest.model_id,
        train_time=now,
        parameters={**manifest.parameters, **model.to_parameters()},
        metrics=manifest.metrics,
        data=manifest.data,
        code_version=manifest.code_version,
    )
    target.promote(version.version_id, now)


def indexed(model: Model) -> Model:
    """The model with the inverted files that training gives to one so large."""
    sources = tuple(
        with_inverted_file(source, model.histories, model.n_candidates, seed=0)
        if isinstance(source, Collaborative)
        else source
        for source in model.sources
    )
    return replace(model, sources=sources)


def exact(model: Model) -> Model:
    """The same without them, and with factors as they lie where there are none."""
    sources = tuple(
        Collaborative(
            replace(source.factors, items=np.asfortranarray(source.factors.items)), source.name
        )
        if isinstance(source, Collaborative)
        else source
        for source in model.sources
    )
    return replace(model, sources=sources)


def cost(folder: Path, n_lists: int) -> Cost:
    """What lists cost with the model of a registry."""
    with threadpool_limits(1):
        manifest, arrays = Registry(folder).load("current")
        start = time.monotonic()
        model = Model.from_arrays(arrays, manifest.parameters)
        recommender = Recommender(model)
        queries = list(_queries(recommender, n_lists))
        recommender.recommend(queries[0])
        start_seconds = time.monotonic() - start
        times = _times(recommender.recommend, queries)
        new = [replace(query, only_new=True) for query in queries]
        new_times = _times(recommender.recommend, new)
        private_mib = _private_mib()
        collaborative = model.source("collaborative")
        assert isinstance(collaborative, Collaborative)
        inverted = collaborative.inverted
        all_scored = Recommender(exact(model))
        kept = [
            np.isin(all_scored.recommend(q).items, recommender.recommend(q).items).mean()
            for q in queries
        ]
        return Cost(
            recall=1.0 if inverted is None else inverted.recall,
            n_probes=0 if inverted is None else inverted.n_probes,
            exact_ms=statistics.median(_times(all_scored.recommend, queries)),
            same_products=float(np.mean(kept)),
            n_items=len(model.catalogue),
            n_customers=len(model.customers),
            ms=statistics.median(times),
            p90_ms=statistics.quantiles(times, n=10)[-1],
            new_ms=statistics.median(new_times),
            stages=_stages(recommender, queries),
            start_seconds=start_seconds,
            private_mib=private_mib,
            peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            flat_ms=_flat_ms(recommender, queries),
        )


def _queries(recommender: Recommender, n_lists: int) -> Iterator[Query]:
    """Lists of the page's size for customers all over, each where they usually buy."""
    model = recommender.model
    chosen = np.random.default_rng(1).permutation(len(model.customers))[:n_lists]
    for customer in chosen.tolist():
        place = recommender.place(customer, Location())
        yield Query(customer=customer, place=place, size=PAGE_SIZE, now=model.data_end)


def _times(call: Callable[[Query], object], queries: Sequence[Query]) -> list[float]:
    """CPU of each call, ms, once all are warm."""
    for query in queries[:N_WARM]:
        call(query)
    times = []
    for query in queries:
        begun = time.thread_time()
        call(query)
        times.append(1_000 * (time.thread_time() - begun))
    return times


def _stages(recommender: Recommender, queries: Sequence[Query]) -> dict[str, float]:
    """The steps of a list one by one, as :meth:`Recommender.recommend` takes them."""
    spent: dict[str, list[float]] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        begun = time.thread_time()
        yield
        spent.setdefault(name, []).append(1_000 * (time.thread_time() - begun))

    model, assortment = recommender.model, recommender.assortment
    for query in queries:
        with stage("live"):
            live = recommender.live(query)
        with stage("allowed"):
            allowed = allowed_by(query, live, model.statistics, assortment)
        moment = Moment(live.profile, query.place, allowed, query.now, query.customer)
        task = recommender.task(query, live.profile)
        panel, ranker = recommender.panel(task), recommender.ranker(task)
        for source in panel.sources:
            with stage(f"propose {source.name}"):
                source.propose(moment, model.n_candidates)
        items = panel.propose(moment, model.n_candidates)
        for source in panel.sources:
            with stage(f"score {source.name}"):
                source.score(moment, items)
        case = panel.case(moment, items)
        with stage("features"):
            panel.features.of(case)
        with stage("features and ranker"):
            scored(case, ranker)
        with stage("list from candidates"):
            recommender.rank(case, ranker, query.form)
    return {name: statistics.median(times) for name, times in spent.items()}


def _flat_ms(recommender: Recommender, queries: Sequence[Query]) -> float:
    """The exact scan by faiss of the same factors."""
    source = recommender.model.source("collaborative")
    assert isinstance(source, Collaborative)
    faiss.omp_set_num_threads(1)
    factors = source.factors
    index = faiss.IndexFlatIP(factors.items.shape[1])
    for start in range(0, len(factors.items), N_ADDED_AT_ONCE):
        index.add(np.ascontiguousarray(factors.items[start : start + N_ADDED_AT_ONCE]))
    users = {id(query): factors.user(recommender.live(query).profile) for query in queries}
    limit = recommender.model.n_candidates
    times = _times(lambda query: index.search(users[id(query)][None], limit), queries)
    return statistics.median(times)


def _private_mib() -> float:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024
