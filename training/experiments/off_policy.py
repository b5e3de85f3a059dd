"""What a rule of who gets which variant would have been worth, from lists that the lot gave out.

The lot is what makes it possible: whoever the rule would show a variant was shown it with a known
probability, that variant's weight. Who was, stands for those who were not (inverse propensity
scoring), and dividing by what they were shown keeps the weights from carrying the estimate away
(self-normalised: Swaminathan and Joachims 2015). What no lot gave out, nobody can estimate so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from recsvc.artifacts.experiments import Experiment
from recsvc.errors import InputError, PreconditionError
from training.experiments.journeys import Deeds, Journeys, summed
from training.experiments.lift import MIN_SHOPPERS
from training.experiments.moments import Float
from training.experiments.report import METRICS, N_PLACES

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rule:
    """Who would get which variant.

    Attributes:
        at: by kind of place and its name, the variant.
        otherwise: the variant of everybody else.
    """

    at: Mapping[tuple[str, str], str]
    otherwise: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a rule would have been worth.

    Attributes:
        metric: of what.
        value: of the metric under the rule.
        control: of the metric under the control.
        lift: of the rule over the control.
        low, high: where the lift is, for who looks once.
        n_shoppers: who were shown what the rule would have shown them.
        n_effective: so many equally weighted shoppers would be as sure.
        max_weight: of one shopper; bounds what one of them can do to the estimate.
    """

    metric: str
    value: float
    control: float
    lift: float
    low: float
    high: float
    n_shoppers: int
    n_effective: float
    max_weight: float


def estimate(experiment: Experiment, journeys: Journeys, rule: Rule, metric: str) -> Estimate:
    """Say what a rule would have been worth.

    Args:
        experiment: whose lot it was.
        journeys: what shoppers saw and did.
        rule: who would get what.
        metric: one of ``report.METRICS``.

    Raises:
        InputError: the rule names a variant that there is not, or a place that nobody is at.
        PreconditionError: too few shoppers were shown what the rule would have shown them.
    """
    names = [variant.variant_id for variant in experiment.variants]
    wanted = _wanted(journeys, rule, names)
    weights = np.array(experiment.weights)
    ruled = np.where(journeys.variant == wanted, 1 / weights[journeys.variant], 0.0)
    plain = np.where(journeys.variant == 0, 1 / weights[0], 0.0)
    top, bottom, scale = METRICS[metric]
    numerator, denominator = (_total(journeys, name) for name in (top, bottom))
    used = ruled[(ruled > 0) & (denominator > 0)]
    n_effective = float(used.sum() ** 2 / (used**2).sum()) if len(used) else 0.0
    if n_effective < MIN_SHOPPERS:
        raise PreconditionError(
            f"experiment {experiment.experiment_id!r}: only {n_effective:,.0f} shoppers' worth of "
            f"what the rule would show was shown, {MIN_SHOPPERS} are needed; let it run longer, or "
            "give the variant more weight"
        )
    values, influences = zip(
        *(_weighted(numerator, denominator, each) for each in (ruled, plain)), strict=True
    )
    if min(values) <= 0:
        raise PreconditionError(f"nothing of {metric} was seen yet; let the experiment run longer")
    log = float(np.log(values[0] / values[1]))
    # Shoppers of the control whom the rule would leave there are in both, and cancel out.
    gap = influences[0] / values[0] - influences[1] / values[1]
    radius = float(ndtri((1 + CONFIDENCE) / 2) * np.sqrt((gap**2).sum()))
    lift, low, high = np.expm1([log, log - radius, log + radius]).tolist()
    return Estimate(
        metric=metric,
        value=values[0] * scale,
        control=values[1] * scale,
        lift=lift,
        low=low,
        high=high,
        n_shoppers=len(used),
        n_effective=n_effective,
        max_weight=float(used.max()),
    )


def _wanted(journeys: Journeys, rule: Rule, names: Sequence[str]) -> NDArray[np.int64]:
    """int64 ``(n_shoppers,)``: the variant that the rule gives each."""
    for name in (rule.otherwise, *rule.at.values()):
        if name not in names:
            raise InputError(f"{name!r} is no variant of it; there are {', '.join(names)}")
    wanted = np.full(len(journeys.variant), names.index(rule.otherwise))
    for (kind, place), name in rule.at.items():
        is_there = journeys.places[kind] == place
        if not is_there.any():
            there = ", ".join(_largest(journeys.places[kind])) or "none that is known"
            raise InputError(
                f"--show {kind}:{place}: no shopper saw their first list there; there is {there}"
            )
        wanted[is_there] = names.index(name)
    return wanted


def _largest(places: NDArray[np.object_]) -> list[str]:
    """Where most shoppers are; an ellipsis stands for the rest."""
    distinct, sizes = np.unique(places[places != ""], return_counts=True)
    found = [str(name) for name in distinct[np.argsort(-sizes, kind="stable")]]
    return found if len(found) <= N_PLACES else [*found[:N_PLACES], "…"]


def _weighted(numerator: Float, denominator: Float, weights: Float) -> tuple[float, Float]:
    """The self-normalised ratio, and what each shopper moves it by."""
    shown = float((weights * denominator).sum())
    value = float((weights * numerator).sum()) / shown if shown else 0.0
    return value, weights * (numerator - value * denominator) / (shown or 1.0)


def _total(journeys: Journeys, name: str) -> Float:
    """What each shopper did until the end."""
    deeds: Deeds = journeys.deeds[name]
    return summed(deeds.shopper, deeds.value, len(journeys.variant))
