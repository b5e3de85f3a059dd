"""Many experiments, with and without a lift: how often each test speaks up."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from tests.benchmarks.experiments.shop import Diary, Float, Shop, live_through
from training.experiments.balance import ALPHA as BALANCE_ALPHA
from training.experiments.balance import balance_p_values
from training.experiments.lift import lift
from training.experiments.moments import Moments
from training.experiments.power import Plan, plan
from training.experiments.sequential import Mixture


@dataclass(frozen=True, slots=True)
class Run:
    """What one experiment showed, a look each day.

    Attributes:
        significant_fixed: bool ``(days,)``: by a test that is made for one look.
        significant: bool ``(days,)``: by the confidence sequence.
        covered: bool ``(days,)``: whether the confidence sequence holds what is there.
        unbalanced: whether the lot was ever called unsound.
        estimate: of the lift, at the end.
    """

    significant_fixed: NDArray[np.bool_]
    significant: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    unbalanced: bool
    estimate: float


@dataclass(frozen=True, slots=True)
class Found:
    """What many showed.

    Attributes:
        runs: how many.
        n_shoppers: in each.
        fixed_at_end: share that the fixed-horizon test calls at the last day.
        fixed_peeking: share that it calls at some day.
        sequential: share that the confidence sequence calls at some day.
        uncovered: share whose confidence sequence ever missed the truth.
        unbalanced: share whose lot was called unsound.
        median_day: at which half of what the confidence sequence calls was called.
        mean_lift: of the estimates at the end.
    """

    runs: int
    n_shoppers: int
    fixed_at_end: float
    fixed_peeking: float
    sequential: float
    uncovered: float
    unbalanced: float
    median_day: float
    mean_lift: float


METRICS = ("click-through", "revenue")


def columns(diary: Diary, metric: str) -> tuple[Float, Float, Float | None]:
    """Numerator, denominator and covariate of a metric."""
    if metric == "click-through":
        return diary.clicks, diary.lists, None
    return diary.revenue, diary.lists, diary.before


def look(diary: Diary, metric: str, mixture: Mixture, true_lift: float) -> Run:
    """Look at an experiment every day."""
    numerator, denominator, covariate = columns(diary, metric)
    arms = [
        Moments.of(
            numerator[:, chosen],
            denominator[:, chosen],
            None if covariate is None else covariate[chosen],
        )
        for chosen in (diary.is_variant, ~diary.is_variant)
    ]
    found = lift(*arms)
    error, radius = np.sqrt(found.variance), mixture.bound(found.variance)
    with np.errstate(invalid="ignore"):  # too few shoppers on the first days: nothing is said
        fixed = np.abs(found.log) > norm.ppf(1 - mixture.alpha / 2) * error
        missed = np.abs(found.log - np.log1p(true_lift)) > radius
    counts = np.stack([arm.n for arm in arms], axis=-1)
    p_values = balance_p_values(counts, np.array([0.5, 0.5]))
    return Run(
        significant_fixed=fixed,
        significant=mixture.p_values(found) <= mixture.alpha,
        covered=~missed,
        unbalanced=bool(p_values[-1] <= BALANCE_ALPHA),
        estimate=float(np.expm1(found.log[-1])),
    )


def many(
    shop: Shop, metric: str, n_shoppers: int, *, smallest: float, lift: float, runs: int, seed: int
) -> Found:
    """Live through many experiments.

    Args:
        shop: what shoppers are like.
        metric: one of ``METRICS``.
        n_shoppers: in both arms.
        smallest: the lift that the test is tuned for.
        lift: the lift that is there.
        runs: how many.
        seed: the same gives the same.
    """
    mixture = Mixture.for_lift(smallest, alpha=0.05)
    each = [
        look(live_through(shop, n_shoppers, lift, random), metric, mixture, lift)
        for random in np.random.default_rng(seed).spawn(runs)
    ]
    called = np.array([run.significant for run in each])
    fixed = np.array([run.significant_fixed for run in each])
    ever = called.any(axis=1)
    days = called.argmax(axis=1)[ever] + 1
    return Found(
        runs=runs,
        n_shoppers=n_shoppers,
        fixed_at_end=float(fixed[:, -1].mean()),
        fixed_peeking=float(fixed.any(axis=1).mean()),
        sequential=float(ever.mean()),
        uncovered=1 - float(np.mean([run.covered.all() for run in each])),
        unbalanced=float(np.mean([run.unbalanced for run in each])),
        median_day=float(np.median(days)) if len(days) else float("nan"),
        mean_lift=float(np.mean([run.estimate for run in each])),
    )


def planned(shop: Shop, metric: str, smallest: float, pilot: int, seed: int) -> Plan:
    """Plan an experiment by what an earlier month of ``pilot`` shoppers showed."""
    diary = live_through(shop, pilot, 0.0, np.random.default_rng(seed))
    numerator, denominator, covariate = columns(diary, metric)
    month = Moments.of(numerator[-1], denominator[-1], covariate)
    return plan(smallest, float(month.relative_variance()))


def study(
    shop: Shop, metric: str, *, smallest: float, lift: float, runs: int, seed: int
) -> Mapping[str, object]:
    """Plan an experiment, then run it many times with the lift that is there."""
    goal = planned(shop, metric, smallest, 100_000, seed)
    found = many(shop, metric, goal.n_shoppers, smallest=smallest, lift=lift, runs=runs, seed=seed)
    return {"metric": metric, "planted": lift, "plan": asdict(goal), "found": asdict(found)}
