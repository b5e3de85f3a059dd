"""How many shoppers an experiment needs."""

from dataclasses import dataclass
from functools import cache
from math import ceil, log1p

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from training.experiments.moments import Float
from training.experiments.sequential import Mixture

_PATHS = 20_000
LOOKS = 28


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes to find a lift.

    Attributes:
        n_shoppers: in control and variant together, with a look every day.
        n_fixed: the same for a test that is looked at once, at the end.
        power: how often the lift is found by then.
    """

    n_shoppers: int
    n_fixed: int
    power: float


def click_variance(rate: float, lists: float, correlation: float = 0.0) -> float:
    """Relative variance of one shopper's say in a rate, where every shopper is alike.

    Args:
        rate: share of lists that are clicked, or bought from.
        lists: how many a shopper is shown in the course of the experiment.
        correlation: of two lists of one shopper: 0 where what one does says nothing of the next.
    """
    return (1 - rate) / rate * (1 + (lists - 1) * correlation) / lists


def plan(
    smallest: float,
    relative_variance: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    share: float = 0.5,
    looks: int = LOOKS,
) -> Plan:
    """Say how many shoppers find a lift.

    Args:
        smallest: the lift, .05 for 5 %.
        relative_variance: of one shopper's influence, see ``Moments.relative_variance``.
        alpha: how often a false alarm may be raised; divide it by the number of variants.
        power: how often the lift is to be found.
        share: of the variant, of the shoppers of both arms.
        looks: evenly over the experiment.
    """
    shopper = relative_variance * (1 / share + 1 / (1 - share))
    fixed = ((ndtri(1 - alpha / 2) + ndtri(power)) / log1p(smallest)) ** 2
    mixture = Mixture.for_lift(smallest, alpha)

    def lacking(information: float) -> float:
        return power - chance(mixture, information, log1p(smallest), looks)

    information = float(brentq(lacking, fixed / 2, 8 * fixed, xtol=fixed / 1_000))
    return Plan(ceil(shopper * information), ceil(shopper * fixed), power)


def chance(mixture: Mixture, information: float, log_lift: float, looks: int) -> float:
    """How often a lift is found at one of several looks at the latest.

    Args:
        mixture: the test.
        information: one over the variance of the logarithm at the last look.
        log_lift: what is there.
        looks: evenly spaced in information.
    """
    times = np.arange(1, looks + 1) / looks * information
    found = log_lift + np.sqrt(information) * _paths(looks) / times
    return float((np.abs(found) > mixture.bound(1 / times)).any(axis=1).mean())


@cache
def _paths(looks: int) -> Float:
    """float64 ``(_PATHS, looks)``: Brownian motion from 0 to 1; the same at each call."""
    steps = np.random.default_rng(0).standard_normal((_PATHS, looks))
    paths: Float = np.cumsum(steps, axis=1) / np.sqrt(looks)
    return paths
