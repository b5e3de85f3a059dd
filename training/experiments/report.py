"""What an experiment has shown so far, fit to be looked at every day."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from recsvc.artifacts.experiments import Experiment, Metric
from training.experiments.balance import ALPHA as BALANCE_ALPHA
from training.experiments.balance import balance_p_values
from training.experiments.journeys import Deeds, Journeys, summed
from training.experiments.lift import Lift, lift
from training.experiments.moments import Float, Moments
from training.experiments.sequential import Mixture, holm

METRICS: Final[Mapping[str, tuple[str, str, float]]] = {
    Metric.CLICK_THROUGH.value: ("clicked", "shown", 1.0),
    Metric.CONVERSION.value: ("converted", "shown", 1.0),
    Metric.REVENUE_PER_THOUSAND.value: ("credited", "shown", 1_000.0),
    Metric.REVENUE_PER_SHOPPER.value: ("paid", "came", 1.0),
    "new_share": ("new", "lines", 1.0),
}
"""Numerator, denominator, and what the ratio is multiplied by where people read it."""

N_PLACES: Final = 10
"""Places of a kind that are looked at, those with most shoppers."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant's metric beside the control's.

    Attributes:
        metric: which.
        variant_id: whose.
        value: of the variant; nan where nothing was shown.
        control: of the control.
        lift: of the variant over the control, .05 for 5 %; nan where there is too little to tell.
        low, high: where the lift is, whenever one looks (all variants together).
        fixed_low, fixed_high: where it would be, had one decided beforehand to look today only.
        p_value: that there is none, whenever one looks, corrected for the number of variants.
        found_on: number of the day, from 1, on which that first fell to the level; 0 never.
    """

    metric: str
    variant_id: str
    value: float
    control: float
    lift: float
    low: float
    high: float
    fixed_low: float
    fixed_high: float
    p_value: float
    found_on: int


@dataclass(frozen=True, slots=True)
class PlaceComparison:
    """The same at one place, for the metric that the experiment is decided by.

    Attributes:
        kind, name: of the place.
        n_shoppers: of both arms there.
        comparison: its ``p_value`` is corrected for the number of places too.
    """

    kind: str
    name: str
    n_shoppers: int
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Report:
    """What an experiment has shown.

    Attributes:
        experiment: which.
        n_days: since the first list was seen.
        shoppers, lists: by variant: how many came, and how many lists they saw.
        balance_p_value: that the lot is sound, whenever one looks.
        comparisons: of every metric and every variant but the control.
        places: those with enough shoppers.
        journeys: what it was made from.
    """

    experiment: Experiment
    n_days: int
    shoppers: Mapping[str, int]
    lists: Mapping[str, int]
    balance_p_value: float
    comparisons: tuple[Comparison, ...]
    places: tuple[PlaceComparison, ...]
    journeys: Journeys

    @property
    def is_balanced(self) -> bool:
        """Whether the figures can be believed."""
        return self.balance_p_value > BALANCE_ALPHA

    @property
    def primary(self) -> tuple[Comparison, ...]:
        """The comparisons that decide."""
        metric = self.experiment.metric.value
        return tuple(each for each in self.comparisons if each.metric == metric)


def report(experiment: Experiment, journeys: Journeys) -> Report:
    """Compare every variant with the control, the first one."""
    names = [variant.variant_id for variant in experiment.variants]
    everybody = np.ones(len(journeys.variant), np.bool_)
    n_arms = len(names)
    shoppers = np.bincount(journeys.variant, minlength=n_arms)
    lists = np.bincount(journeys.variant[journeys.deeds["shown"].shopper], minlength=n_arms)
    comparisons: list[Comparison] = []
    for metric in METRICS:
        comparisons += _compare(experiment, journeys, metric, everybody)
    came = journeys.deeds["came"]
    counts = np.zeros((journeys.n_days, n_arms))
    np.add.at(counts, (came.day, journeys.variant[came.shopper]), 1.0)
    shares = np.array(experiment.weights) / sum(experiment.weights)
    return Report(
        experiment=experiment,
        n_days=journeys.n_days,
        shoppers=dict(zip(names, shoppers.tolist(), strict=True)),
        lists=dict(zip(names, lists.tolist(), strict=True)),
        balance_p_value=float(balance_p_values(counts.cumsum(axis=0), shares)[-1]),
        comparisons=tuple(comparisons),
        places=tuple(_places(experiment, journeys)),
        journeys=journeys,
    )


def moments(
    journeys: Journeys, metric: str, members: NDArray[np.bool_], n_arms: int
) -> list[Moments]:
    """The sums of every arm, after each day.

    Args:
        journeys: what was done.
        metric: one of :data:`METRICS`.
        members: bool ``(n_shoppers,)``: who counts.
        n_arms: how many arms there are.
    """
    top, bottom, _ = METRICS[metric]
    n_shoppers = len(journeys.variant)
    numerator, denominator = np.zeros(n_shoppers), np.zeros(n_shoppers)
    arms = [np.flatnonzero((journeys.variant == arm) & members) for arm in range(n_arms)]
    daily: list[list[Moments]] = [[] for _ in arms]
    for day in range(journeys.n_days):
        numerator += _on(journeys.deeds[top], day, n_shoppers)
        denominator += _on(journeys.deeds[bottom], day, n_shoppers)
        for arm, looks in zip(arms, daily, strict=True):
            looks.append(Moments.of(numerator[arm], denominator[arm], journeys.before[arm]))
    return [
        Moments(
            np.array([look.n for look in looks]),
            np.array([look.total for look in looks]),
            np.array([look.product for look in looks]),
        )
        for looks in daily
    ]


def _on(deeds: Deeds, day: int, n_shoppers: int) -> Float:
    """What each shopper did on a day."""
    start, end = np.searchsorted(deeds.day, (day, day + 1))
    return summed(deeds.shopper[start:end], deeds.value[start:end], n_shoppers)


def _compare(
    experiment: Experiment, journeys: Journeys, metric: str, members: NDArray[np.bool_]
) -> list[Comparison]:
    arms = moments(journeys, metric, members, len(experiment.variants))
    found = [lift(arm, arms[0]) for arm in arms[1:]]
    alpha = experiment.alpha / len(found)
    mixture = Mixture.for_lift(experiment.smallest_lift, alpha)
    p_values = np.array([mixture.p_values(each) for each in found])
    corrected = np.apply_along_axis(holm, 0, p_values)
    scale = METRICS[metric][2]
    return [
        _comparison(
            metric,
            variant.variant_id,
            (float(arm.ratio[-1]) * scale, float(arms[0].ratio[-1]) * scale),
            each,
            mixture,
            path,
            experiment.alpha,
        )
        for variant, arm, each, path in zip(
            experiment.variants[1:], arms[1:], found, corrected, strict=True
        )
    ]


def _comparison(  # each is another figure
    metric: str,
    variant_id: str,
    values: tuple[float, float],
    found: Lift,
    mixture: Mixture,
    p_values: Float,
    alpha: float,
) -> Comparison:
    log, variance = float(found.log[-1]), found.variance[-1:]
    radius = float(mixture.bound(variance)[0])
    fixed = float(ndtri(1 - alpha / 2) * np.sqrt(variance[0]))
    # Never above the one before: at its first day at the level it stays there.
    is_found = p_values <= alpha
    low, high, fixed_low, fixed_high = np.expm1(
        [log - radius, log + radius, log - fixed, log + fixed]
    ).tolist()
    return Comparison(
        metric=metric,
        variant_id=variant_id,
        value=values[0],
        control=values[1],
        lift=float(np.expm1(log)),
        low=low,
        high=high,
        fixed_low=fixed_low,
        fixed_high=fixed_high,
        p_value=float(p_values[-1]),
        found_on=int(is_found.argmax()) + 1 if is_found.any() else 0,
    )


def _places(experiment: Experiment, journeys: Journeys) -> list[PlaceComparison]:
    """The largest places, each with the deciding metric; corrected for how many there are."""
    found: list[PlaceComparison] = []
    for kind, names in journeys.places.items():
        distinct, sizes = np.unique(names[names != ""], return_counts=True)
        if len(distinct) < 2:  # noqa: PLR2004  # one place says what the total says
            continue
        for chosen in np.argsort(-sizes, kind="stable")[:N_PLACES].tolist():
            name = distinct[chosen]
            compared = _compare(experiment, journeys, experiment.metric.value, names == name)
            found += [
                PlaceComparison(kind, str(name), int(sizes[chosen]), each)
                for each in compared
                if not isnan(each.lift)
            ]
    p_values = holm(np.array([each.comparison.p_value for each in found]))
    return [_corrected(each, p) for each, p in zip(found, p_values.tolist(), strict=True)]


def _corrected(place: PlaceComparison, p_value: float) -> PlaceComparison:
    comparison = replace(place.comparison, p_value=p_value)
    return replace(place, comparison=comparison)
