"""What the late windows teach of baskets and of what runs out, and who decides what serves."""

from dataclasses import replace
from enum import StrEnum
from functools import partial

import numpy as np
import polars as pl
import pytest

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from tests.purchases import START, Lines, built, interactions_of
from tests.quick import QUICK
from training.interactions import Interactions
from training.learning import learn
from training.split import HoldOut, Split
from training.surfaces import AGAIN_FUSION, MIN_ASKED, Surfaces
from training.windows import Role, Window

N_CUSTOMERS = 60
N_WEEKS_BEFORE = 8
WEEKS_A_MONTH = 4
N_PAIRS = 12
N_GIFTS = 6
N_ASKED = 120
"""Of the orders of a month, half."""
SETTINGS = replace(QUICK, n_candidates=60, surface_questions=N_ASKED)
"""Every product is a candidate."""
ALL_ASKED = replace(SETTINGS, surface_questions=N_CUSTOMERS * WEEKS_A_MONTH)
BASKETS = (Task.TOGETHER, Task.TOGETHER_COLD)


class Month(StrEnum):
    """What is in an order a week."""

    PAIRS = "pairs"
    """Two products that always go together."""
    GIFTS = "gifts"
    """One of those, and a dear gift instead of its partner."""


def town(*months: Month) -> Interactions:
    """Two months of pairs and now and then a gift, and then ``months``."""
    rows = []
    for number in range(N_CUSTOMERS):
        for week in range(N_WEEKS_BEFORE + WEEKS_A_MONTH * len(months)):
            month = (week - N_WEEKS_BEFORE) // WEEKS_A_MONTH
            pair = (number + 3 * week) % N_PAIRS
            basket = [f"one-{pair:02}", f"other-{pair:02}"]
            gift = f"gift-{(number + week) % N_GIFTS}"
            if month >= 0 and months[month] is Month.GIFTS:
                basket = [basket[week % 2], gift]
            rows += [
                {"customer_id": f"c{number:02}", "product_id": product, "day": 7 * week,
                 "order_id": f"{week}", "unit_price": 100.0 if product == gift else 1.0}
                for product in basket
            ]  # fmt: skip
        rows.append(
            {"customer_id": f"c{number:02}", "product_id": f"gift-{number % N_GIFTS}",
             "day": number % 50, "order_id": "gift", "unit_price": 100.0}
        )  # fmt: skip
    return interactions_of(*rows)


def window(
    purchases: Interactions, number: int, *roles: Role, n_customers: int = N_CUSTOMERS
) -> Window:
    """One of the town's months, of so many customers alone."""
    begin = START.timestamp() + SECONDS_A_DAY * 7 * (N_WEEKS_BEFORE + WEEKS_A_MONTH * number)
    end = begin + SECONDS_A_DAY * 7 * WEEKS_A_MONTH
    time, customer = pl.col("time"), pl.col("customer")
    history = purchases.select(time < begin)
    future = purchases.select((time >= begin) & (time < end) & (customer < n_customers))
    customers = np.arange(n_customers, dtype=np.int32)
    return Window(HoldOut(history, future, begin, Split.TEMPORAL), customers, frozenset(roles))


def fitted(history: Interactions) -> Recommender:
    return Recommender(replace(built(history, SETTINGS), baskets=None))


def shown(*windows: Window, lines: Lines | None = None, settings: object = SETTINGS) -> Surfaces:
    """What has seen these windows in their order."""
    assert isinstance(settings, type(SETTINGS))
    surfaces = Surfaces(settings)
    for each in windows:
        surfaces.see(fitted(each.held_out.history), each, lines or Lines())
    return surfaces


@pytest.fixture(scope="module")
def gifts() -> tuple[Surfaces, Lines]:
    """A month of gifts has taught, and another one has judged."""
    lines = Lines()
    purchases = town(Month.GIFTS, Month.GIFTS)
    return shown(
        window(purchases, 0, Role.TRAIN), window(purchases, 1, Role.GUARD), lines=lines
    ), lines


def test_what_was_learnt_serves_where_it_wins(gifts: tuple[Surfaces, Lines]) -> None:
    """In months of gifts a gift is bought again, which their habits do not say."""
    found, lines = gifts

    report = found.metrics["again"]
    assert report["served"] == "trees"
    assert report["recall@10"]["trees"] > report["recall@10"]["plain"]
    assert report["questions"] >= MIN_ASKED
    ranker = found.rankers()[Task.AGAIN]
    assert ranker.trees is not None
    assert ranker.logistic is not None
    # Beside what was learnt the plain weights keep their part.
    assert ranker.fusion == AGAIN_FUSION
    plain = fitted(town()).ranker(Task.AGAIN)
    assert ranker.weights.tolist() == plain.weights.tolist()
    assert any("again" in line and "the trees will serve" in line for line in lines.said)


def test_what_was_learnt_does_not_serve_where_it_loses() -> None:
    """To a month of pairs, gifts are no answer: the plain weights serve."""
    purchases = town(Month.GIFTS, Month.PAIRS)
    lines = Lines()

    windows = window(purchases, 0, Role.TRAIN), window(purchases, 1, Role.GUARD)
    found = shown(*windows, lines=lines, settings=ALL_ASKED)

    for task in BASKETS:
        report = found.metrics[task.value]
        assert report["questions"] == N_CUSTOMERS * WEEKS_A_MONTH
        assert report["served"] == "plain"
        assert report["recall@10"]["plain"] == 1
        assert report["margin"][0] < 0
        assert task not in found.rankers()
        (line,) = (line for line in lines.said if task.value + ":" in line)
        assert "plain weights will" in line
        assert "noise" not in line


def test_what_won_serves_with_a_basket(gifts: tuple[Surfaces, Lines]) -> None:
    """Then trees and a regression, without the plain weights' part."""
    found, _ = gifts
    won = replace(found, served=dict.fromkeys(found.served, True))

    for task in BASKETS:
        ranker = won.rankers()[task]
        assert ranker.trees is not None
        assert ranker.logistic is not None
        assert ranker.fusion == 0


def test_who_judges_has_not_taught() -> None:
    """What a window teaches is judged by a later one, and serves by no other right."""
    purchases = town(Month.GIFTS, Month.GIFTS)

    alone = shown(window(purchases, 0, Role.GUARD))
    assert alone.metrics == alone.served == {}
    assert alone.rankers() == {}
    unjudged = shown(window(purchases, 0, Role.TRAIN), window(purchases, 1, Role.TEST))
    assert unjudged.rankers() == {}


def test_all_windows_teach_what_serves() -> None:
    """Those that judged and that were reported too, once they have."""
    purchases = town(Month.GIFTS, Month.GIFTS, Month.GIFTS)
    windows = [window(purchases, n, role) for n, role in enumerate(Role)]

    found = shown(*windows)

    assert [len(parts) for parts in found.examples.values()] == [3, 3, 3]
    taught = sum(len(part.lengths) for part in found.examples[Task.TOGETHER])
    assert taught == 3 * N_ASKED


@pytest.mark.parametrize("method", [Split.LAST_BASKET, Split.GIVEN])
def test_what_must_not_teach_judges_all_the_same(method: Split) -> None:
    """Last orders decide what serves, and nothing is learnt from them."""
    purchases = town(Month.GIFTS, Month.GIFTS, Month.GIFTS)
    taught, *later = (
        window(purchases, 0, Role.TRAIN),
        window(purchases, 1, Role.GUARD),
        window(purchases, 2, Role.TEST),
    )
    guard, test = (replace(each, held_out=replace(each.held_out, method=method)) for each in later)
    lines = Lines()

    found = shown(taught, guard, test, lines=lines)

    assert found.served.keys() == {*BASKETS, Task.AGAIN}
    assert found.metrics == shown(taught, window(purchases, 1, Role.GUARD)).metrics
    assert [len(parts) for parts in found.examples.values()] == [1, 1, 1]
    # What neither teaches nor judges is not looked at.
    assert lines.said.count("count what was in one basket") == 2


@pytest.mark.parametrize(("n_customers", "judged"), [(12, False), (13, True)])
def test_few_questions_teach_nothing_and_judge_nothing(n_customers: int, *, judged: bool) -> None:
    """From fifty on they do: four orders each of twelve customers are 48."""
    purchases = town(Month.GIFTS, Month.GIFTS)
    few = partial(window, purchases, n_customers=n_customers)
    many = partial(window, purchases)

    for lacking, windows in (
        ("learn from", (few(0, Role.TRAIN), many(1, Role.GUARD))),
        ("judge by", (many(0, Role.TRAIN), few(1, Role.GUARD))),
    ):
        lines = Lines()
        assert (Task.TOGETHER in shown(*windows, lines=lines).served) is judged
        said = [line for line in lines.said if f"together: too little to {lacking}" in line]
        assert bool(said) is not judged


def test_no_more_is_asked_than_the_settings_say() -> None:
    """Neither to teach nor to judge."""
    purchases = town(Month.GIFTS, Month.GIFTS)
    windows = window(purchases, 0, Role.TRAIN), window(purchases, 1, Role.GUARD)

    found = shown(*windows, settings=replace(SETTINGS, surface_questions=70, judge_customers=55))

    assert [len(part.lengths) for part in found.examples[Task.TOGETHER]] == [70, 70]
    assert found.metrics["together"]["questions"] == 55


def test_without_trees_nothing_is_learnt() -> None:
    """Nor counted."""
    lines = Lines()
    without = replace(SETTINGS, without=SETTINGS.without | {"trees"})

    found = shown(window(town(Month.GIFTS), 0, Role.TRAIN), lines=lines, settings=without)

    assert not found.examples
    assert not lines.said


def test_without_orders_only_what_runs_out_is_learnt() -> None:
    """Where each order holds one product nothing goes with a basket."""
    purchases = town(Month.PAIRS)
    numbers = pl.int_range(pl.len(), dtype=pl.UInt64)
    alone = replace(purchases, lines=purchases.lines.with_columns(order=numbers))

    assert set(shown(window(alone, 0, Role.TRAIN)).examples) == {Task.AGAIN}


def test_without_times_windows_share_the_customers() -> None:
    """All are of one cut: each has the baskets of its own customers, and nothing runs out."""
    purchases = town(Month.GIFTS)
    held_out = replace(window(purchases, 0).held_out, method=Split.RANDOM)
    timeless = replace(held_out, history=replace(held_out.history, has_times=False))
    taught, judging = (
        Window(timeless, np.arange(*span, dtype=np.int32), frozenset({role}))
        for span, role in [((0, 20), Role.TRAIN), ((20, 35), Role.GUARD)]
    )

    found = shown(taught, judging)

    assert set(found.examples) == set(BASKETS)
    n_orders = [20 * WEEKS_A_MONTH, 15 * WEEKS_A_MONTH]
    for task in BASKETS:
        assert [len(part.lengths) for part in found.examples[task]] == n_orders
        assert found.metrics[task.value]["questions"] == n_orders[1]


@pytest.mark.parametrize(("method", "n_taught"), [(Split.TEMPORAL, 2), (Split.LAST_BASKET, 1)])
def test_surfaces_learn_from_the_late_windows_of_a_run(method: Split, n_taught: int) -> None:
    """From the last that is there to teach on; what they have won serves beside the lists."""
    purchases = town(*[Month.GIFTS] * 3)
    roles = (Role.TRAIN, Role.TRAIN, Role.GUARD)
    *taught, guard = [window(purchases, number, role) for number, role in enumerate(roles)]
    windows = [*taught, replace(guard, held_out=replace(guard.held_out, method=method))]
    surfaces = Surfaces(ALL_ASKED)

    learnt = learn(windows, fitted, ALL_ASKED, Lines(), surfaces)

    assert len(surfaces.examples[Task.TOGETHER]) == n_taught
    assert learnt.metrics["surfaces"] == surfaces.metrics
    won = {task for task, served in surfaces.served.items() if served}
    assert won
    assert learnt.rankers.keys() & surfaces.served.keys() == won
