"""The gate: what is refused, what passes, and what is said."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsvc.artifacts.journal import Gate
from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.ranking import Ranker, Task
from recsvc.core.recommender import Recommender
from tests.purchases import built, shop_interactions
from training.compare import PURCHASES, REPEAT, TOTAL, Comparison, Difference, compare
from training.gate import Decision, Policy, decide, lines, no_better, unmeasured, verdict, widened
from training.interactions import Interactions
from training.significance import Interval, paired_bootstrap
from training.split import hold_out


def difference(  # a row of a comparison, by what a case is about
    mean: float,
    margin: float,
    *,
    kind: str = TOTAL,
    name: str = "",
    task: Task = Task.ALL,
    n_customers: int = 1_000,
) -> Difference:
    """One row of nDCG@10 that falls or rises from .4."""
    interval = Interval(mean, mean - margin, mean + margin)
    return Difference(kind, name, task, "ndcg@10", n_customers, 0.4 + mean, 0.4, interval)


def comparison(*rows: Difference) -> Comparison:
    """A comparison with totals that are equal unless they are among ``rows``."""
    given = {(row.kind, row.task) for row in rows}
    equal = [
        difference(0.0, 0.005, task=task)
        for task in (Task.ALL, Task.NEW)
        if (TOTAL, task) not in given
    ]
    return Comparison(1_700_000_000.0, 1_000, (*equal, *rows))


@pytest.mark.parametrize(
    ("mean", "margin", "passes"),
    [
        (0.02, 0.01, True),  # better
        (0.0, 0.0, True),  # the same
        (-0.02, 0.03, True),  # worse, within the noise
        (-0.02, 0.02, True),  # the interval touches 0
        (-0.02, 0.01, False),  # worse
        (-0.003, 0.001, True),  # surely worse, by less than anybody notices
        (-0.4, 0.0, False),  # finds nothing any more
    ],
)
@pytest.mark.parametrize("task", [Task.ALL, Task.NEW])
def test_a_total_is_refused_if_it_is_surely_and_relevantly_worse(
    task: Task, mean: float, margin: float, *, passes: bool
) -> None:
    """The interval must be below 0 and the fall at least 1 %, of either kind of purchase."""
    decision = decide(comparison(difference(mean, margin, task=task)))

    assert decision.passed is passes
    assert len(decision.reasons) == (0 if passes else 1)
    assert decision.warnings == ()
    assert decision.is_judged


def test_a_reason_says_what_fell_from_where_to_where() -> None:
    """One line names the purchases, both means, the interval and the number of customers."""
    decision = decide(comparison(difference(-0.02, 0.01)))

    (reason,) = decision.reasons
    assert reason == (
        "all purchases: ndcg@10 0.3800 instead of 0.4000 "
        "(-0.0200, [-0.0300, -0.0100], 1,000 customers)"
    )
    assert lines(decision) == [f"  worse: {reason}"]


def test_a_slice_is_refused_where_the_total_is_not() -> None:
    """A good total does not hide a place where the candidate is worse."""
    rows = [
        difference(0.01, 0.005),
        difference(-0.1, 0.02, kind="store", name="leeds-1"),
        difference(-0.1, 0.02, kind="known", name="neither", task=Task.NEW),
        difference(-0.1, 0.02, kind=PURCHASES, name=REPEAT),
    ]

    decision = decide(comparison(*rows))

    assert [reason.partition(":")[0] for reason in decision.reasons] == [
        "all purchases, store leeds-1",
        "purchases, purchases repeat",
        "products new to the customer, known neither",
    ]
    assert decision.details["slices_judged"] == 3


def test_small_slices_are_not_judged() -> None:
    """A slice of fewer than a hundred customers refuses nothing."""
    small = difference(-0.2, 0.01, kind="store", name="faro-1", n_customers=99)

    decision = decide(comparison(small))

    assert decision.passed
    assert decision.details["slices_judged"] == 0


def test_many_slices_share_the_chance_of_being_wrong() -> None:
    """What refuses as the only slice does not as one of forty; a clear fall always does."""
    fall = difference(-0.05, 0.04, kind="store", name="a")
    others = [difference(0.0, 0.04, kind="store", name=f"s{n}") for n in range(39)]
    clear = difference(-0.1, 0.04, kind="store", name="b")

    assert not decide(comparison(fall)).passed
    assert decide(comparison(fall, *others)).passed
    assert [
        reason.split(":")[0] for reason in decide(comparison(fall, clear, *others)).reasons
    ] == ["all purchases, store b"]


def test_equal_models_are_rarely_refused() -> None:
    """Of 200 comparisons of equal models over 40 slices at most one in ten is refused."""
    generator = np.random.default_rng(0)
    n_refused = 0
    for _ in range(200):
        rows = []
        for number in range(40):
            values = generator.normal(0.0, 0.3, 120)
            error = 1.96 * float(values.std()) / 120**0.5
            rows.append(difference(float(values.mean()), error, kind="store", name=str(number)))
        n_refused += not decide(comparison(*rows), Policy(min_drop=0.0)).passed

    assert n_refused <= 20


def test_a_widened_interval_is_that_of_more_confidence() -> None:
    """One of twenty at 95 % is as wide as an interval of 99.75 %."""
    generator = np.random.default_rng(1)
    a, b = generator.random((2, 400))

    found = widened(paired_bootstrap(a, b), 20)

    sure = paired_bootstrap(a, b, confidence=1 - 0.05 / 20, rounds=20_000)
    assert found.mean == sure.mean
    assert found.low == pytest.approx(sure.low, abs=0.005)
    assert found.high == pytest.approx(sure.high, abs=0.005)
    one = paired_bootstrap(a, b)
    assert (widened(one, 1).low, widened(one, 1).high) == pytest.approx((one.low, one.high))


def test_too_few_customers_pass_with_a_warning() -> None:
    """Where nothing can be told the candidate passes, and the decision says what is missing."""
    few = difference(-0.3, 0.01, n_customers=49)

    decision = decide(comparison(few))

    assert decision.passed
    assert decision.warnings == ("too few customers to tell of all purchases: 49, 50 are needed",)
    assert lines(decision) == [f"  not judged: {decision.warnings[0]}"]


def test_too_few_customers_of_both_kinds_are_no_judgement() -> None:
    """Nothing was told from anything, and the history says so."""
    few = [difference(-0.3, 0.01, n_customers=49, task=task) for task in (Task.ALL, Task.NEW)]

    decision = decide(Comparison(0.0, 1_000, tuple(few)))

    assert decision.passed
    assert not decision.is_judged
    assert verdict(decision, force=False) is Gate.NOT_JUDGED


def test_no_new_product_is_a_warning() -> None:
    """Where nobody bought anything new, all purchases decide alone."""
    rows = (difference(-0.2, 0.01),)

    decision = decide(Comparison(0.0, 1_000, rows))

    assert not decision.passed
    assert decision.warnings == (
        "too few customers to tell of products new to the customer: 0, 50 are needed",
    )


def test_without_anything_to_judge_by_a_candidate_passes() -> None:
    """The first version passes, and the decision says that it was not judged."""
    decision = Decision.unjudged("no version is current yet")

    assert decision.passed
    assert not decision.is_judged
    assert lines(decision) == ["  not judged: no version is current yet"]


@pytest.mark.parametrize(
    ("metrics", "is_refused"),
    [
        ({}, False),
        ({"test": {}}, False),
        ({"test": {"rankers": {"recsvc": {"all": {"ndcg@10": 0.1}}}}}, False),
        ({"test": {"rankers": {"recsvc": {"all": {"customers": 1}}}}}, True),
        ({"test": {"rankers": {"recsvc": {"all": {"customers": 2}}}}}, False),
    ],
)
def test_what_says_how_many_it_was_measured_on_needs_two(
    metrics: dict[str, object], *, is_refused: bool
) -> None:
    """A manifest that says nothing of it, of whatever release, is no fault."""
    assert (unmeasured(metrics) is not None) == is_refused


BEHIND = "own purchases alone found more: all purchases: ndcg@10 {} instead of 0.4000 ±0.0200"


def measured(ours: float, theirs: float, n_customers: int = 100) -> dict[str, Any]:
    """The metrics of a manifest: of all purchases as given, of new products nobody's."""

    def of(mean: float) -> dict[str, Any]:
        if not n_customers:
            return {"customers": 0}
        ends = [mean - 0.02, mean + 0.02]
        return {"customers": n_customers, "ndcg@10": mean, "intervals": {"ndcg@10": ends}}

    new = {"customers": 0}
    rankers = {"recsvc": {"all": of(ours), "new": new}, "own purchases": {"all": of(theirs)}}
    return {"test": {"rankers": rankers}}


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (measured(0.4, 0.3), []),
        (measured(0.4, 0.4), []),
        (measured(0.4, 0.41), [BEHIND.format("0.4100") + ", which may be chance"]),
        (measured(0.4, 0.5), [BEHIND.format("0.5000")]),
        (measured(0.4, 0.5, n_customers=19), []),
        (measured(0.4, 0.5, n_customers=0), []),
        ({}, []),
    ],
)
def test_a_model_that_is_no_better_than_a_simple_one_is_told(
    metrics: dict[str, Any], said: list[str]
) -> None:
    """With the figures, unless too few were measured to tell anything."""
    assert no_better(metrics) == said


def test_a_decision_outlives_its_process() -> None:
    """What was written as JSON reads back equal."""
    decision = decide(comparison(difference(-0.2, 0.01), difference(0.0, 0.1, kind="store")))

    assert Decision.from_json(json.loads(json.dumps(decision.to_json()))) == decision
    with pytest.raises(KeyError):
        Decision.from_json({})


class Silent:
    """A reporter that says nothing."""

    def stage(
        self, name: str, total: int | None = None
    ) -> AbstractContextManager[Callable[[], None]]:
        del name, total
        return nullcontext(lambda: None)

    def log(self, message: str) -> None:
        raise AssertionError(message)


@pytest.fixture(scope="module")
def shop() -> Interactions:
    return shop_interactions()


@pytest.fixture(scope="module")
def current(shop: Interactions) -> Recommender:
    """A model of all but the last four weeks."""
    return Recommender(built(hold_out(shop, 28 * SECONDS_A_DAY, seed=0).history))


def test_a_model_that_forgets_habits_is_refused(shop: Interactions, current: Recommender) -> None:
    """Lists by popularity alone are refused in total and of repeats; the reverse passes."""
    alone = [1.0 if name == "popularity" else 0.0 for name in current.scores]
    rankers = dict.fromkeys(Task, Ranker(np.array(alone, np.float32)))
    forgetful = Recommender(replace(current.model, rankers=rankers))

    refused = decide(compare(forgetful, current, shop, Silent()))
    passed = decide(compare(current, forgetful, shop, Silent()))

    assert not refused.passed
    assert refused.reasons[0].startswith("all purchases: ")
    assert any("purchases repeat" in reason for reason in refused.reasons)
    assert passed.passed
    assert passed.reasons == ()
    assert passed.details["comparison"]["total"]["all"]["ndcg@10"]["difference"] > 0
