"""By how much a variant's metric exceeds the control's: the logarithm of their quotient.

Shops ask for lifts in percent, and the logarithm puts every metric on one scale. It is also nearer
to a normal distribution than the quotient. Its variance is that of the delta method (Deng et al.
2018), shoppers being the units. A covariate from before the experiment takes out what differed
between the arms already (CUPED, Deng et al. 2013).
"""

from dataclasses import dataclass

import numpy as np

from training.experiments.moments import Float, Moments

MIN_SHOPPERS = 100
"""With fewer in an arm, nobody knows yet how the metric varies."""


@dataclass(frozen=True, slots=True)
class Lift:
    """How a variant compares with the control, at one look or at each of many.

    Attributes:
        log: float64 ``(...)``: logarithm of the variant's metric over the control's; nan where
            there is too little to tell: few shoppers, or all of an arm did the same.
        variance: float64 ``(...)``: of ``log``; nan likewise.
    """

    log: Float
    variance: Float


def lift(variant: Moments, control: Moments) -> Lift:
    """Compare a variant with the control.

    Args:
        variant: of the variant's shoppers.
        control: of the control's, at the same looks.
    """
    weight = _slope(variant, control)
    middle = (variant.total[..., 2] + control.total[..., 2]) / np.maximum(variant.n + control.n, 1)
    logs, variances = [], []
    for arm in (variant, control):
        ratio = arm.ratio - weight * (arm.mean_covariate - middle)
        rest = arm.variance_without(weight)
        is_known = (arm.n >= MIN_SHOPPERS) & (ratio > 0) & (rest > 0)
        known = np.where(is_known, ratio, np.nan)
        logs.append(np.log(known))
        variances.append(rest / (np.maximum(arm.n, 1) * known**2))
    return Lift(logs[0] - logs[1], variances[0] + variances[1])


def _slope(variant: Moments, control: Moments) -> Float:
    """How much of the metric goes with the covariate, from both arms; 0 where that is constant."""
    matrices = [
        arm.covariance() * np.maximum(arm.n - 1, 0)[..., None, None] for arm in (variant, control)
    ]
    both = matrices[0] + matrices[1]
    varies = both[..., 1, 1] > 0
    slope: Float = np.where(varies, both[..., 0, 1] / np.where(varies, both[..., 1, 1], 1.0), 0.0)
    return slope
