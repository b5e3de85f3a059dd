"""Logistic regression by Newton's method: a few dozen features need no library."""

import numpy as np
from numpy.typing import NDArray

from recsvc.core.logistic import Logistic

PENALTY = 1.0
"""On the squares of the weights of features of deviation 1: near nothing, but no weight of a
constant feature runs away."""
N_STEPS = 15
OUTLIERS = 0.001
"""Share of the values on each side that count as the outermost of the others."""
LARGEST_LOGIT = 30.0


def fit_logistic(features: NDArray[np.float32], labels: NDArray[np.bool_]) -> Logistic:
    """Fit log-odds of ``labels``.

    Args:
        features: shape ``(n, n_features)``, without NaN.
        labels: shape ``(n,)``, some of each kind.
    """
    low, high = np.quantile(features, [OUTLIERS, 1 - OUTLIERS], axis=0).astype(np.float32)
    unit = np.abs(np.clip(features, low, high)).mean(axis=0)
    unit[unit == 0] = 1
    raw = Logistic(low, high, unit, np.zeros_like(unit))
    tamed = raw.tamed(features)
    mean, deviation = tamed.mean(axis=0), tamed.std(axis=0)
    # What does not vary says nothing: not even its mean's rounding, which would count as signal.
    deviation[(low == high) | (deviation == 0)] = np.inf
    columns = np.column_stack([(tamed - mean) / deviation, np.ones(len(tamed), np.float32)])
    weights = _newton(columns, labels)
    return Logistic(low, high, unit, (weights[:-1] / deviation).astype(np.float32))


def _newton(columns: NDArray[np.float32], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    weights = np.zeros(columns.shape[1])
    penalty = PENALTY * np.eye(len(weights))
    for _ in range(N_STEPS):
        logits = np.clip(columns @ weights, -LARGEST_LOGIT, LARGEST_LOGIT)
        odds = 1 / (1 + np.exp(-logits))
        slope = columns.T @ (odds - labels) + PENALTY * weights
        curvature = (columns * (odds * (1 - odds))[:, None]).T @ columns + penalty
        step = np.linalg.solve(curvature, slope)
        weights -= step
        if np.abs(step).max() < 1e-4:  # noqa: PLR2004  # deviations: no list changes for less
            break
    return weights
