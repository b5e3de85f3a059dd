"""Two models on the same later purchases."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from math import log2
from random import Random

import numpy as np
import pytest

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.ranking import Ranker, Task
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING
from recsvc.errors import InputError
from tests.purchases import START, built, interactions_of, shop_interactions
from training.compare import (
    KNOWN,
    PURCHASES,
    REPEAT,
    TOTAL,
    Comparison,
    Difference,
    compare,
)
from training.evaluate import evaluate
from training.interactions import Interactions
from training.questions import Questions, Side, ask
from training.split import hold_out
from training.targets import targets_of


class Silent:
    """A reporter that says nothing and counts its ticks."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.ticks = 0

    def stage(
        self, name: str, total: int | None = None
    ) -> AbstractContextManager[Callable[[], None]]:
        del name
        self.total = total
        return nullcontext(self._tick)

    def log(self, message: str) -> None:
        raise AssertionError(message)

    def _tick(self) -> None:
        self.ticks += 1


def fitted(interactions: Interactions) -> Recommender:
    return Recommender(built(interactions))


def by_popularity(recommender: Recommender) -> Recommender:
    """The same model, its lists by popularity alone."""
    alone = [1.0 if name == "popularity" else 0.0 for name in recommender.scores]
    rankers = dict.fromkeys(Task, Ranker(np.array(alone, np.float32)))
    return Recommender(replace(recommender.model, rankers=rankers))


def one(comparison: Comparison, task: Task, kind: str = TOTAL, name: str = "") -> Difference:
    """The nDCG@10 of one slice."""
    (found,) = [d for d in comparison.of(task) if (d.kind, d.name) == (kind, name)]
    return found


@pytest.fixture(scope="module")
def shop() -> Interactions:
    return shop_interactions()


@pytest.fixture(scope="module")
def known(shop: Interactions) -> Recommender:
    """A model of all but the last four weeks."""
    return fitted(hold_out(shop, 28 * SECONDS_A_DAY, seed=0).history)


@pytest.fixture(scope="module")
def comparison(shop: Interactions, known: Recommender) -> Comparison:
    return compare(known, by_popularity(known), shop, Silent())


def test_means_are_those_of_evaluate(
    shop: Interactions, known: Recommender, comparison: Comparison
) -> None:
    """On customers whom a model knows, a comparison has the means that evaluate has."""
    model = known.model
    popularity = by_popularity(known).model.rankers
    columns = evaluate(
        known,
        targets_of(model, shop),
        model.data_end,
        {"a": model.rankers, "b": popularity},
    )

    assert comparison.since == model.data_end
    for task in (Task.ALL, Task.NEW):
        total = one(comparison, task)
        a, b = columns["a"][task], columns["b"][task]
        assert total.n_customers == len(a.customers)
        assert total.mean_a == pytest.approx(a.ndcg.mean())
        assert total.mean_b == pytest.approx(b.ndcg.mean())
        assert total.difference.mean == pytest.approx((a.ndcg - b.ndcg).mean())


def test_a_better_model_is_found_to_be_better(comparison: Comparison) -> None:
    """Habits beat popularity on all purchases, and the interval is clear of 0."""
    total = one(comparison, Task.ALL)

    assert total.difference.is_above_zero
    assert total.difference.low < total.difference.mean < total.difference.high
    assert total.difference.mean == pytest.approx(total.mean_a - total.mean_b)


def test_exchanged_models_have_exchanged_signs(
    shop: Interactions, known: Recommender, comparison: Comparison
) -> None:
    """The difference is the first less the second."""
    exchanged = one(compare(by_popularity(known), known, shop, Silent()), Task.ALL)

    total = one(comparison, Task.ALL)
    assert exchanged.difference.mean == pytest.approx(-total.difference.mean)
    assert exchanged.difference.is_below_zero
    assert exchanged.mean_b == total.mean_a


def test_slices_add_up_to_the_total(comparison: Comparison) -> None:
    """All customers of the shop are at home in one of its six stores."""
    for metric in ("ndcg@10", "recall@20"):
        of_all = comparison.of(Task.ALL, metric)
        total = of_all[0]
        stores = [d for d in of_all if d.kind == "store"]

        assert total.kind == TOTAL
        assert len(stores) == 6
        assert sum(d.n_customers for d in stores) == total.n_customers == comparison.n_customers
        summed = sum(d.difference.mean * d.n_customers for d in stores)
        assert summed / total.n_customers == pytest.approx(total.difference.mean)


def test_a_model_is_as_good_as_itself(shop: Interactions, known: Recommender) -> None:
    """The same model twice differs nowhere; both are asked once a customer."""
    reporter = Silent()

    found = compare(known, known, shop, reporter)

    assert all(
        (d.difference.mean, d.difference.low, d.difference.high) == (0, 0, 0)
        for d in found.differences
    )
    assert reporter.ticks == reporter.total == 2 * found.n_customers


def test_confidence_widens_the_intervals(
    shop: Interactions, known: Recommender, comparison: Comparison
) -> None:
    """Who decides on many slices asks for more confidence and gets wider intervals."""
    sure = compare(known, by_popularity(known), shop, Silent(), confidence=0.999)

    assert one(sure, Task.ALL).difference.low < one(comparison, Task.ALL).difference.low


def row(customer: str, product: str, day: float, **more: object) -> dict[str, object]:
    return {"customer_id": customer, "product_id": product, "day": day, **more}


# Two shops' worth of habits, so that place and popularity have something to say.
CROWD = [
    row(f"{store}{n}", f"{store}-{Random(n * 31 + day).randrange(9)}", day, store_id=store)
    for store in ("north", "south")
    for n in range(12)
    for day in range(0, 40, 4)
]
A = interactions_of(
    *CROWD,
    row("only-a", "south-1", 5, store_id="south"),
    row("both", "north-1", 6),
    row("mover", "north-1", 7, store_id="north"),
)
B = interactions_of(
    *CROWD,
    row("only-b", "north-1", 30, store_id="north"),
    row("both", "north-1", 6),
    row("both", "south-7", 45),
    row("mover", "north-1", 7, store_id="north"),
    *(row("mover", f"south-{n}", 30 + n, store_id="south") for n in range(3)),
    row("north0", "only-of-b", 44),
)
LATER = interactions_of(
    row("only-a", "south-1", 60),
    row("only-a", "south-2", 60),
    row("only-b", "north-2", 61),
    row("both", "south-7", 62),
    row("both", "only-of-b", 62),
    row("neither", "north-3", 63, store_id="north"),
    row("neither", "unknown-to-all", 63),
    row("neither2", "north-4", 63),
    row("mover", "south-3", 63),
    # Up to the end of the later data nothing is asked for.
    row("north1", "north-3", 45),
    row("south1", "unknown-to-all", 64),
)


@pytest.fixture(scope="module")
def sides() -> tuple[Side, Side]:
    return Side.of(fitted(A), LATER), Side.of(fitted(B), LATER)


def test_what_is_asked_is_later_than_both(sides: tuple[Side, Side]) -> None:
    """Purchases after the later data's end count, of products that a model knows."""
    questions = Questions.of(sides, LATER)

    assert questions.now == START.timestamp() + 45 * SECONDS_A_DAY
    asked = {LATER.customers.ids[customer] for customer in questions.customers.tolist()}
    assert asked == {"only-a", "only-b", "both", "mover", "neither", "neither2"}


def wanted(questions: Questions, task: Task, customer: str) -> set[str]:
    targets = questions.wanted[task]
    at = LATER.customers.index(customer)
    items = targets.indices[targets.indptr[at] : targets.indptr[at + 1]]
    return {LATER.items.ids[item] for item in items.tolist()}


def test_new_is_what_neither_model_has_bought(sides: tuple[Side, Side]) -> None:
    """A purchase that one model knows is new to nobody; one that a model could know counts."""
    questions = Questions.of(sides, LATER)

    assert wanted(questions, Task.ALL, "both") == {"south-7", "only-of-b"}
    assert wanted(questions, Task.NEW, "both") == {"only-of-b"}
    assert wanted(questions, Task.NEW, "only-a") == {"south-2"}
    assert wanted(questions, Task.ALL, "neither") == {"north-3"}


def test_strangers_stand_where_somebody_knows(sides: tuple[Side, Side]) -> None:
    """At the home that the other model knows, else in the place of the first later purchase."""
    questions = Questions.of(sides, LATER)

    places = dict(
        zip(
            [LATER.customers.ids[c] for c in questions.customers.tolist()],
            questions.places,
            strict=True,
        )
    )
    assert places["only-a"] == Location(store_id="south")
    assert places["only-b"] == Location(store_id="north")
    assert places["neither"] == Location(store_id="north")
    assert places["both"] == Location()


def ndcg(recommender: Recommender, query: Query, products: set[str]) -> float:
    """nDCG@10 of what a caller would get."""
    items = recommender.recommend(query).items[:10].tolist()
    names = [recommender.model.catalogue.items.ids[item] for item in items]
    gain = sum(1 / log2(rank + 2) for rank, name in enumerate(names) if name in products)
    return gain / sum(1 / log2(rank + 2) for rank in range(len(products)))


@pytest.fixture(scope="module")
def unlike() -> Comparison:
    """Two models that know customers and products of their own."""
    return compare(fitted(A), fitted(B), LATER, Silent(), segments=SEGMENTS)


SEGMENTS = {"only-a": "gold", "neither": "gold", "both": "tin", "mover": "tin", "mover2": "lead"}


def test_each_model_answers_as_it_would_be_served(
    sides: tuple[Side, Side], unlike: Comparison
) -> None:
    """A model answers those it knows from their history, others as strangers in their place."""
    a, b = (side.recommender for side in sides)
    now = b.model.data_end
    known = a.model.customers.index("only-a")

    at_home = Query(customer=known, place=a.place(known, Location()), now=now)
    stranger = Query(place=b.place(MISSING, Location(store_id="south")), now=now)
    products = {"south-1", "south-2"}
    difference = one(unlike, Task.ALL, KNOWN, "only A")
    assert difference.n_customers == 1
    assert difference.mean_a == pytest.approx(ndcg(a, at_home, products))
    assert difference.mean_b == pytest.approx(ndcg(b, stranger, products))
    assert difference.mean_b != pytest.approx(ndcg(b, Query(now=now), products))


def test_each_model_has_its_own_home_of_a_customer(sides: tuple[Side, Side]) -> None:
    """A customer who moved is asked for where each model thinks that she lives."""
    homes = {side.home(LATER.customers.index("mover")).store_id for side in sides}
    questions = Questions.of(sides, LATER)
    alone = replace(
        questions,
        customers=np.array([LATER.customers.index("mover")], np.int32),
        places=[Location(store_id="north")],
    )
    b = sides[1].recommender
    known = b.model.customers.index("mover")

    found = ask(sides[1], alone, lambda: None)[Task.ALL]

    at_home = Query(customer=known, place=b.place(known, Location()), now=questions.now)
    elsewhere = replace(at_home, place=b.place(known, Location(store_id="north")))
    assert homes == {"north", "south"}
    assert found.ndcg.tolist() == pytest.approx([ndcg(b, at_home, {"south-3"})])
    assert found.ndcg[0] != pytest.approx(ndcg(b, elsewhere, {"south-3"}))


def test_who_is_known_to_whom_is_a_slice(unlike: Comparison) -> None:
    """Customers known to both, to one and to neither are apart."""
    sizes = {d.name: d.n_customers for d in unlike.of(Task.ALL) if d.kind == KNOWN}

    assert sizes == {"only A": 1, "only B": 1, "both": 2, "neither": 2}


def test_slices_are_those_of_the_first_model_that_knows(unlike: Comparison) -> None:
    """All four known customers have one purchase to A, or to B if A does not know them."""
    # As B has them, two of them would be in 2-4.
    assert not [d for d in unlike.differences if d.kind == "history"]


def test_segments_are_slices(unlike: Comparison) -> None:
    """Segments by customer id slice the differences, also of strangers; the asked ones only."""
    sizes = {d.name: d.n_customers for d in unlike.of(Task.ALL) if d.kind == "segment"}

    assert sizes == {"gold": 2, "tin": 2}


def test_customers_who_are_not_asked_make_no_slices() -> None:
    """A segment in which nobody bought anything later does not make the other one tell."""
    segments = {"only-a": "gold", "both": "gold", "north1": "tin"}

    found = compare(fitted(A), fitted(B), LATER, Silent(), segments=segments)

    assert not [d for d in found.differences if d.kind == "segment"]


def test_new_products_are_those_new_to_both(unlike: Comparison) -> None:
    """A product that is new to the one model that knows it is new; hits on it are apart."""
    new, old = (one(unlike, Task.ALL, "product", name) for name in ("new", "established"))

    assert new.n_customers == 1
    assert new.mean_a == 0
    assert old.n_customers == 6


def test_what_is_bought_again_is_a_slice(
    sides: tuple[Side, Side], unlike: Comparison, comparison: Comparison
) -> None:
    """Repeats are found by the lists of all purchases; only what no model has bought is none."""
    again = one(unlike, Task.ALL, PURCHASES, REPEAT)
    b = sides[1].recommender
    both = b.model.customers.index("both")
    query = Query(customer=both, place=b.place(both, Location()), now=b.model.data_end)

    # only-a bought south-1 again and both south-7, which one model has them buying.
    assert again.n_customers == 2
    assert again.mean_b >= ndcg(b, query, {"south-7"}) / 2 > 0
    assert one(comparison, Task.ALL, PURCHASES, REPEAT).difference.is_above_zero
    assert not [d for d in comparison.of(Task.NEW) if d.kind == PURCHASES]


def test_nothing_later_is_an_error() -> None:
    """Models that have learnt all there is cannot be compared on it."""
    model = fitted(A)

    with pytest.raises(InputError, match="after their data ended"):
        compare(model, model, A, Silent())


def test_purchases_without_times_are_all_later() -> None:
    """Data without times cannot tell what was learnt: all of it is asked for."""
    train = interactions_of(*({k: v for k, v in r.items() if k != "day"} for r in CROWD))
    model = fitted(train)

    found = compare(model, model, train, Silent())

    assert found.n_customers == 24
    assert [d.task for d in found.differences if d.kind == TOTAL] == [Task.ALL] * 2
    assert not [d for d in found.differences if d.kind in {"product", "customer"}]
