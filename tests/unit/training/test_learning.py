"""Learning window by window, in a town where each month is plainly of one kind or another."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random

import numpy as np
import polars as pl
import pytest

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.ranking import Ranker, Task
from recsvc.core.recommender import Recommender
from tests.purchases import START, Lines, built, interactions_of
from tests.quick import QUICK
from tests.rankers import same
from training.asked import lists
from training.examples import Examples, collect
from training.fusion import TUNED, starting_rankers, tune
from training.guard import FUSION, TREES
from training.interactions import Interactions
from training.learning import LEARNT, Learnt, learn
from training.ranker import fit_ranker
from training.settings import TrainingSettings
from training.split import HoldOut, Split
from training.windows import Role, Window

N_CUSTOMERS = 40
N_WEEKS_BEFORE = 8
WEEKS_A_MONTH = 4
STAPLES = ("milk", "bread", "eggs")
N_GIFTS = 32

SETTINGS = replace(QUICK, n_candidates=60)
"""Every product is a candidate."""
FUSION_ALONE = replace(SETTINGS, without=SETTINGS.without | {"trees"})


class Month(StrEnum):
    """What everybody buys for four weeks."""

    HABITS = "habits"
    """The three staples, every week; nobody buys anything for the first time."""
    GIFTS = "gifts"
    """Three gifts a week, none that the customer has bought before, and no staple."""


def town(*months: Month) -> Interactions:
    """Two months of staples and one new gift a week, and then ``months``.

    Of 32 gifts 8 are bought in those, and 12 in each month of gifts: after two of them
    everybody has every gift.
    """
    random = Random(3)
    rows = []
    for number in range(N_CUSTOMERS):
        to_give = [f"gift-{gift:02}" for gift in range(N_GIFTS)]
        random.shuffle(to_give)
        for week in range(N_WEEKS_BEFORE + WEEKS_A_MONTH * len(months)):
            if week < N_WEEKS_BEFORE:
                basket = [*STAPLES, to_give.pop()]
            elif months[(week - N_WEEKS_BEFORE) // WEEKS_A_MONTH] is Month.HABITS:
                basket = [*STAPLES]
            else:
                basket = [to_give.pop() for _ in range(3)]
            rows += [
                {"customer_id": f"c{number:02}", "product_id": product, "day": 7 * week}
                for product in basket
            ]
    return interactions_of(*rows)


def month(
    purchases: Interactions,
    number: int,
    n_customers: int,
    *roles: Role,
    method: Split = Split.TEMPORAL,
) -> Window:
    """The window of one of the town's months, asked about the first ``n_customers``."""
    begin = START.timestamp() + SECONDS_A_DAY * 7 * (N_WEEKS_BEFORE + WEEKS_A_MONTH * number)
    end = begin + SECONDS_A_DAY * 7 * WEEKS_A_MONTH
    time = pl.col("time")
    history = purchases.select(time < begin)
    future = purchases.select((time >= begin) & (time < end))
    customers = np.arange(n_customers, dtype=np.int32)
    return Window(HoldOut(history, future, begin, method), customers, frozenset(roles))


def of_roles(
    months: Collection[Month], n_customers: Collection[int], method: Split = Split.TEMPORAL
) -> list[Window]:
    """One window that teaches, one that decides, and one that is reported if there is a third."""
    purchases = town(*months)
    roles = (Role.TRAIN, Role.GUARD, Role.TEST)
    return [
        month(purchases, number, n, role, method=method)
        for number, (n, role) in enumerate(zip(n_customers, roles, strict=False))
    ]


def fitted(history: Interactions) -> Recommender:
    return Recommender(built(history, SETTINGS))


def learnt_from(
    windows: list[Window], settings: TrainingSettings = SETTINGS, lines: Lines | None = None
) -> Learnt:
    return learn(windows, fitted, settings, lines or Lines())


def examples_of(windows: list[Window], task: Task) -> Examples:
    """What was bought in all of ``windows``, each asked of a model of what came before it."""
    models = [fitted(window.held_out.history) for window in windows]
    return Examples.together(
        [
            collect(
                model,
                {task: lists(model, window.held_out, window.customers, task)},
                negatives=SETTINGS.negatives,
                seed=SETTINGS.seed,
            )[task]
            for model, window in zip(models, windows, strict=True)
        ]
    )


# Weights of the fusion.


def test_with_too_few_customers_the_starting_weights_serve() -> None:
    """Nineteen customers are none to tune on: log and metrics say so, and no task is tuned."""
    lines = Lines()
    windows = of_roles([Month.HABITS, Month.HABITS], [19, N_CUSTOMERS])

    learnt = learnt_from(windows, FUSION_ALONE, lines)

    assert "only 19 customers to tune on: the default weights are used" in lines.said
    assert "tune the fusion" not in lines.said
    assert learnt.metrics["fusion"] == {"customers": 19, "tuned": False}
    start = starting_rankers(fitted(windows[0].held_out.history).scores)
    assert learnt.rankers.keys() == start.keys() == set(TUNED)
    for task in TUNED:
        assert same(learnt.rankers[task], start[task])


def test_the_fusion_is_tuned_on_the_last_window_that_teaches_it() -> None:
    """Of two training windows the later one gives every task its weights."""
    purchases = town(Month.HABITS, Month.GIFTS, Month.GIFTS)
    earlier = month(purchases, 0, 25, Role.TRAIN)
    later = month(purchases, 1, 20, Role.TRAIN)
    nobody_judges = month(purchases, 2, 0, Role.GUARD)
    lines = Lines()

    learnt = learnt_from([earlier, later, nobody_judges], FUSION_ALONE, lines)

    recommender = fitted(later.held_out.history)
    tuned, reached = tune(recommender, later.held_out, later.customers, SETTINGS.seed)
    assert lines.said.count("tune the fusion") == 1
    for task in TUNED:
        assert same(learnt.rankers[task], tuned[task])
    # No purchase has a place, so that nobody was ever away.
    assert reached.keys() == set(TUNED) - {Task.AWAY}
    assert learnt.metrics["fusion"] == {
        "customers": 20,
        "tuned": True,
        "ndcg@10": {task.value: round(value, 5) for task, value in reached.items()},
    }
    for task, value in reached.items():
        assert any(f"  {task.value}: nDCG@10 {value:.4f} with " in line for line in lines.said)


# Who serves. The first window has too few customers to tune on, and enough for trees.


def test_trees_that_win_serve() -> None:
    """Month after month of gifts, trees know that nothing is bought twice, and put it last."""
    learnt = learnt_from(of_roles([Month.GIFTS, Month.GIFTS], [19, N_CUSTOMERS]))

    verdict = learnt.metrics["guard"]["all"]
    assert verdict["served"] == TREES
    assert verdict["ndcg@10"][TREES] == 1  # the twelve gifts that nobody had yet, before all else
    assert verdict["ndcg@10"][FUSION] == 0  # staples and gifts that everybody had
    served = learnt.rankers[Task.ALL]
    assert served.trees is not None
    assert served.logistic is not None
    assert served.fusion == 0


def test_without_times_the_fusion_stands_beside_the_trees() -> None:
    """Where a random part was held out, trees serve with the fusion and the regression."""
    windows = of_roles([Month.GIFTS, Month.GIFTS], [19, N_CUSTOMERS], Split.RANDOM)

    learnt = learnt_from(windows)

    verdict = learnt.metrics["guard"]["all"]
    assert verdict["served"] == TREES
    served = learnt.rankers[Task.ALL]
    assert served.trees is not None
    assert served.logistic is not None
    assert served.fusion > 0.5


def test_trees_that_lose_do_not_serve() -> None:
    """Trees that learnt to leave staples out lose a month of staples, and the fusion serves."""
    windows = of_roles([Month.GIFTS, Month.HABITS], [19, N_CUSTOMERS])

    learnt = learnt_from(windows)

    verdict = learnt.metrics["guard"]["all"]
    assert verdict["served"] == FUSION
    assert (verdict["ndcg@10"][FUSION], verdict["ndcg@10"][TREES]) == (1, 0)
    start = starting_rankers(fitted(windows[0].held_out.history).scores)
    assert same(learnt.rankers[Task.ALL], start[Task.ALL])


def test_one_score_alone_may_serve() -> None:
    """After months of habits only first purchases tell of gifts: their score serves alone."""
    learnt = learnt_from(of_roles([Month.HABITS, Month.GIFTS], [19, N_CUSTOMERS]))

    assert learnt.metrics["guard"]["all"]["served"] == "popularity_first"
    served = learnt.rankers[Task.ALL]
    scores = fitted(town()).scores
    alone = [float(name == "popularity_first") for name in scores]
    assert sum(alone) == 1
    assert same(served, Ranker(np.array(alone, np.float32)))


def test_each_task_is_decided_for_itself() -> None:
    """Trees serve all purchases; of new ones all put the same first, and the fusion stays."""
    learnt = learnt_from(of_roles([Month.GIFTS, Month.GIFTS], [19, N_CUSTOMERS]))

    # Twelve new gifts are left, and everybody buys them: no order of them is wrong.
    assert set(learnt.metrics["guard"]["new"]["ndcg@10"].values()) == {1}
    assert learnt.rankers[Task.ALL].trees is not None
    for task in (Task.NEW, Task.AWAY, Task.COLD):
        assert learnt.rankers[task].trees is None


@pytest.mark.parametrize(("n_customers", "decided"), [(19, False), (20, True)])
def test_a_guard_of_too_few_customers_decides_nothing(n_customers: int, *, decided: bool) -> None:
    """Below twenty customers the fusion stays, though the trees would have won."""
    lines = Lines()
    windows = of_roles([Month.GIFTS, Month.GIFTS], [19, n_customers])

    learnt = learnt_from(windows, lines=lines)

    # Twelve weeks after the first day.
    assert learnt.metrics["guard"]["from"] == "2024-04-01T09:00:00+00:00"
    assert learnt.metrics["guard"].keys() == {"from"} | ({"all", "new"} if decided else set())
    assert any("guard, all:" in line for line in lines.said) is decided
    assert (learnt.rankers[Task.ALL].trees is not None) is decided


def test_a_task_without_targets_is_not_judged() -> None:
    """In a month of habits nothing is new: that task keeps the fusion, the other is decided."""
    learnt = learnt_from(of_roles([Month.GIFTS, Month.HABITS], [19, N_CUSTOMERS]))

    assert learnt.metrics["guard"].keys() == {"from", "all"}
    assert learnt.rankers[Task.NEW].trees is None


# What the trees learn from.


@pytest.mark.parametrize(("n_customers", "learns"), [(16, False), (17, True)])
def test_too_few_examples_leave_the_fusion(n_customers: int, *, learns: bool) -> None:
    """Three staples of 16 customers are 48 purchases: the guard meets no trees, of 17 it does."""
    learnt = learnt_from(of_roles([Month.HABITS, Month.HABITS], [n_customers, N_CUSTOMERS]))

    assert (TREES in learnt.metrics["guard"]["all"]["ndcg@10"]) is learns
    # What the guard has not seen does not serve, however much there is to learn from by then.
    assert learnt.rankers[Task.ALL].trees is None


def test_trees_can_be_left_out() -> None:
    """Without trees nothing is gathered for them, and the others contend for a month of gifts."""
    lines = Lines()
    windows = of_roles([Month.GIFTS, Month.GIFTS], [19, N_CUSTOMERS])

    learnt = learnt_from(windows, FUSION_ALONE, lines)

    assert "look what was bought" not in lines.said
    assert TREES not in learnt.metrics["guard"]["all"]["ndcg@10"]
    assert all(ranker.trees is None for ranker in learnt.rankers.values())


def test_who_judges_has_not_taught() -> None:
    """Trees that the guard meets know nothing of its own month: here, that gifts come."""
    learnt = learnt_from(of_roles([Month.HABITS, Month.GIFTS], [19, N_CUSTOMERS]))

    # Of habits they learnt that staples come first: three places of ten are lost at least.
    discounts = 1 / np.log2(np.arange(2, 12))
    left = discounts[3:].sum() / discounts.sum()
    assert learnt.metrics["guard"]["all"]["ndcg@10"][TREES] <= left


@pytest.mark.parametrize(
    ("method", "n_taught"), [(Split.TEMPORAL, 3), (Split.LAST_BASKET, 1), (Split.GIVEN, 1)]
)
def test_the_rankers_learn_from_all_windows_that_teach(method: Split, n_taught: int) -> None:
    """By time the windows that judged teach at the end; last orders and test files never do."""
    purchases = town(Month.GIFTS, Month.GIFTS, Month.HABITS)
    windows = [
        month(purchases, 0, 19, Role.TRAIN),
        month(purchases, 1, N_CUSTOMERS, Role.GUARD, method=method),
        month(purchases, 2, N_CUSTOMERS, Role.TEST, method=method),
    ]

    learnt = learnt_from(windows)

    weights = starting_rankers(fitted(purchases).scores)[Task.ALL].weights
    taught = examples_of(windows[:n_taught], Task.ALL)
    assert learnt.metrics["guard"]["all"]["served"] == TREES
    expected = replace(fit_ranker(weights, taught, SETTINGS), n_sifted=SETTINGS.n_sifted)
    assert same(learnt.rankers[Task.ALL], expected)
    assert [learnt.rankers[task].n_sifted for task in (Task.ALL, Task.NEW)] == [96, 0]


@dataclass
class Totals:
    """A reporter that keeps how many ticks each stage announced, and how many came."""

    announced: list[tuple[str, int | None]] = field(default_factory=list)
    ticked: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        self.announced.append((name, total))

        def tick() -> None:
            self.ticked[name] = self.ticked.get(name, 0) + 1

        yield tick

    def log(self, message: str) -> None:
        """Nothing is kept of it."""


def test_no_window_teaches_with_more_customers_than_the_settings_say() -> None:
    """A window that judges teaches with so many; one that was made to teach, with all it has."""
    purchases = town(Month.GIFTS, Month.GIFTS)
    windows = [month(purchases, 0, 19, Role.TRAIN), month(purchases, 1, 40, Role.GUARD)]
    totals = Totals()

    learn(windows, fitted, replace(SETTINGS, train_customers=10), totals)

    name = "look what was bought"
    assert len(LEARNT) == 2  # each customer is asked about once a task
    assert [total for stage, total in totals.announced if stage == name] == [2 * 19, 2 * 10]
    assert totals.ticked[name] == 2 * 19 + 2 * 10
    assert ("measure", 40) in totals.announced


# What is reported, and how often all sources are fitted.


def test_what_was_decided_is_reported_even_where_it_loses() -> None:
    """The last window decides nothing: trees that won in gifts are reported in one of staples."""
    months = [Month.GIFTS, Month.GIFTS, Month.HABITS]

    learnt = learnt_from(of_roles(months, [19, N_CUSTOMERS, N_CUSTOMERS]))

    test = learnt.metrics["test"]
    assert learnt.rankers[Task.ALL].trees is not None
    assert learnt.reported[Task.ALL].ndcg.tolist() == [0] * N_CUSTOMERS
    assert test["rankers"]["recsvc"]["all"]["ndcg@10"] == 0
    assert test["rankers"]["own purchases"]["all"]["ndcg@10"] == 1
    assert test["rankers"].keys() == {"recsvc", "popularity", "own purchases"}
    assert test["is_guard"] is False
    # Four weeks after the guard's.
    assert test["from"] == "2024-04-29T09:00:00+00:00"


@pytest.mark.parametrize(("guarded", "served"), [(Month.GIFTS, TREES), (Month.HABITS, FUSION)])
def test_one_window_may_decide_and_be_reported(guarded: Month, served: str) -> None:
    """Without a guard of its own, the winner's lists are the reported ones, and it says so."""
    purchases = town(Month.GIFTS, guarded)
    windows = [
        month(purchases, 0, 19, Role.TRAIN),
        month(purchases, 1, N_CUSTOMERS, Role.GUARD, Role.TEST),
    ]

    learnt = learnt_from(windows)

    assert learnt.metrics["guard"]["all"]["served"] == served
    assert learnt.reported[Task.ALL].ndcg.tolist() == pytest.approx([1] * N_CUSTOMERS)
    test = learnt.metrics["test"]
    assert test["is_guard"] is True
    assert test["from"] == learnt.metrics["guard"]["from"]
    assert test["rankers"].keys() == {"recsvc", "popularity", "own purchases"}


def test_sources_are_fitted_once_for_each_history() -> None:
    """Windows that share a history share a fit; of those in time each has its own."""
    purchases = town(Month.HABITS, Month.HABITS)
    in_time = [month(purchases, 0, 19, Role.TRAIN), month(purchases, 1, 30, Role.GUARD)]
    teaches, _ = in_time
    last_half = np.arange(20, 40, dtype=np.int32)
    by_customer = [teaches, replace(teaches, customers=last_half, roles=frozenset({Role.GUARD}))]
    histories: list[Interactions] = []

    def counted(history: Interactions) -> Recommender:
        histories.append(history)
        return fitted(history)

    learn(in_time, counted, FUSION_ALONE, Lines())
    assert len(histories) == 2
    for history, window in zip(histories, in_time, strict=True):
        assert history is window.held_out.history
    histories.clear()
    learn(by_customer, counted, FUSION_ALONE, Lines())
    assert len(histories) == 1


def test_the_same_seed_learns_the_same() -> None:
    """Two runs of one seed agree in every ranker and metric; another seed has other trees."""
    windows = of_roles([Month.GIFTS, Month.GIFTS], [20, N_CUSTOMERS])
    first, again, other = (learnt_from(windows, replace(SETTINGS, seed=seed)) for seed in (1, 1, 2))

    assert first.metrics["fusion"]["tuned"]
    assert first.rankers[Task.ALL].trees is not None
    for task in TUNED:
        assert same(first.rankers[task], again.rankers[task])
    assert first.metrics == again.metrics
    assert not same(first.rankers[Task.ALL], other.rankers[Task.ALL])


def bookshop(n_months: int) -> Interactions:
    """Everybody buys a book of three of their five kinds a week, none of them twice."""
    rows = []
    for number in range(N_CUSTOMERS):
        shelf = [f"book-{(number % 8) * 12 + n:03}" for n in range(60)]
        Random(number).shuffle(shelf)
        for week in range(N_WEEKS_BEFORE + WEEKS_A_MONTH * n_months):
            rows += [
                {"customer_id": f"c{number:02}", "product_id": shelf.pop(), "day": 7 * week}
                for _ in range(3)
            ]
    return interactions_of(*rows)


def test_where_nothing_is_bought_twice_one_ranker_serves_for_all() -> None:
    """It is learnt and measured once, on lists without what was bought, as they are served."""
    purchases = bookshop(2)
    roles = (Role.TRAIN, Role.GUARD)
    windows = [month(purchases, n, N_CUSTOMERS, role) for n, role in enumerate(roles)]

    learnt = learnt_from(windows)

    assert not purchases.buys_again
    new = learnt.rankers[Task.NEW]
    assert new.trees is not None
    assert same(learnt.rankers[Task.ALL], new)
    assert learnt.rankers[Task.AWAY].weights.tolist() == new.weights.tolist()
    guard = learnt.metrics["guard"]
    assert {**guard["all"], "task": ""} == {**guard["new"], "task": ""}
    assert learnt.metrics["fusion"]["ndcg@10"].keys() == {"new", "cold"}
