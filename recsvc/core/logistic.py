"""A logistic regression over the features, the steady companion of the trees."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.vocabulary import Arrays


@dataclass(frozen=True, slots=True)
class Logistic:
    """Log-odds that are linear in the features, each tamed by an inverse hyperbolic sine.

    Purchases are heavy-tailed: that is linear near 0 and logarithmic far from it. Values beyond
    those it was fitted on count as the outermost of them.

    Attributes:
        low, high: float32, shape ``(n_features,)``: the range that it was fitted on.
        unit: float32, likewise, positive: where linear turns logarithmic.
        weights: float32, likewise. There is no intercept: within one list it orders nothing.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    unit: NDArray[np.float32]
    weights: NDArray[np.float32]

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32, shape ``(n,)``, for ``features`` of shape ``(n, n_features)``."""
        return np.asarray(self.tamed(features) @ self.weights, np.float32)

    def tamed(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features as the weights see them, of the same shape.

        Written out, as numpy's ``arcsinh`` and ``clip`` take twice the time of what they are
        made of.
        """
        within = np.maximum(features, self.low)
        np.minimum(within, self.high, out=within)
        within /= self.unit
        size = np.abs(within)
        tamed: NDArray[np.float32] = size * size
        tamed += np.float32(1)
        np.sqrt(tamed, out=tamed)
        tamed += size
        np.log(tamed, out=tamed)
        np.copysign(tamed, within, out=tamed)
        return tamed

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            f"{prefix}.low": self.low,
            f"{prefix}.high": self.high,
            f"{prefix}.unit": self.unit,
            f"{prefix}.weights": self.weights,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`."""
        names = ("low", "high", "unit", "weights")
        return cls(*(np.asarray(arrays[f"{prefix}.{name}"], np.float32) for name in names))
