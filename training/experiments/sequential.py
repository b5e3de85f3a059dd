"""Inference that is safe to peek at: it holds at all looks together, however many there are.

The normal mixture of Robbins (1970): a martingale that would grow without bound under any lift,
and that exceeds ``1 / alpha`` with probability ``alpha`` at most, ever, where there is none. Its
inverse is an always-valid p-value (the mSPRT of Johari et al. 2017); the lifts that it does not
reject are a confidence sequence, which holds for non-normal data as these grow (Waudby-Smith et al.
2021, Theorem 2.2). See ``docs/decisions/0013-sequential-inference.md``.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import lambertw, ndtri

from training.experiments.lift import Lift
from training.experiments.moments import Float

DESIGN_POWER = 0.8


@dataclass(frozen=True, slots=True)
class Mixture:
    """The test, tuned before the experiment begins.

    Attributes:
        alpha: how often it may raise a false alarm over all looks.
        tau_squared: variance of the lifts that it looks out for, on the logarithmic scale.
    """

    alpha: float
    tau_squared: float

    @classmethod
    def for_lift(cls, smallest: float, alpha: float) -> Self:
        """The one whose intervals are narrowest when there is enough data to find a lift.

        Args:
            smallest: the lift that is worth finding, .05 for 5 %.
            alpha: how often a false alarm may be raised over all looks.
        """
        best = best_ratio(alpha)
        needed = float(np.sqrt(_squared_bound(np.array(best), alpha))) + ndtri(DESIGN_POWER)
        return cls(alpha, best * (np.log1p(smallest) / needed) ** 2)

    def bound(self, variance: Float) -> Float:
        """float64 ``(...)``: how far a logarithm of this variance may stray where nothing is."""
        bound: Float = np.sqrt(variance * _squared_bound(self.tau_squared / variance, self.alpha))
        return bound

    def p_values(self, found: Lift) -> Float:
        """Always-valid p-values.

        Args:
            found: float64 ``(..., n_looks)``, the earliest first.

        Returns:
            Of the same shape: at each look the least of all so far, 1 before there is any.
        """
        ratio = self.tau_squared / found.variance
        square = found.log**2 / found.variance
        log_martingale = square * ratio / (2 * (1 + ratio)) - np.log1p(ratio) / 2
        p: Float = np.exp(-np.maximum(np.nan_to_num(log_martingale, nan=0.0), 0.0))
        return np.minimum.accumulate(p, axis=-1)


def best_ratio(alpha: float) -> float:
    """Mixture's variance over the estimate's at which the interval is narrowest.

    Waudby-Smith et al. (2021), Appendix B.2, solve it with Lambert's function.
    """
    return float(-lambertw(-(alpha**2) / np.e, -1).real - 1)


def _squared_bound(ratio: Float, alpha: float) -> Float:
    """The square of how many standard errors an estimate may stray."""
    bound: Float = (1 + ratio) / ratio * np.log((1 + ratio) / alpha**2)
    return bound


def holm(p_values: Float) -> Float:
    """P-values of several comparisons, corrected for there being several (Holm 1979).

    Args:
        p_values: float64 ``(n_comparisons,)``; always-valid ones stay so.
    """
    order = np.argsort(p_values)
    n_left = np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * n_left), 1.0)
    return corrected
