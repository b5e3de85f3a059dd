"""What shoppers did, summed up: all that the statistics of an experiment need of an arm.

A metric is a ratio of two sums over shoppers, such as lists clicked over lists shown. Shoppers are
what was drawn by lot, so they are the units: what one of them does on two days is no two
observations. Sums, squares and products of each shopper's numbers say how sure a ratio is.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over the shoppers of an arm, at one look or at each of many.

    The three columns of a shopper are the numerator, the denominator, and a covariate: something
    known of the shopper from before the experiment, which the lot cannot have changed.

    Attributes:
        n: float64 ``(...)``: shoppers.
        total: float64 ``(..., 3)``: sums of the columns.
        product: float64 ``(..., 3, 3)``: sums of the products of two columns.
    """

    n: Float
    total: Float
    product: Float

    @classmethod
    def of(cls, numerator: Float, denominator: Float, covariate: Float | None = None) -> Self:
        """Sum up shoppers.

        Args:
            numerator: float64 ``(..., n_shoppers)``: one row a look, each with all that was done
                until then.
            denominator: likewise; a shopper counts once it is above 0.
            covariate: float64 ``(n_shoppers,)``; none is all zeros.
        """
        is_in = denominator > 0
        before = np.zeros(numerator.shape[-1]) if covariate is None else covariate
        columns = np.stack(
            [numerator * is_in, denominator * is_in, before * is_in], axis=-2, dtype=np.float64
        )
        product = columns @ np.swapaxes(columns, -1, -2)
        return cls(is_in.sum(axis=-1, dtype=np.float64), columns.sum(axis=-1), product)

    @property
    def ratio(self) -> Float:
        """float64 ``(...)``: the metric; nan where nothing was shown."""
        return _divide(self.total[..., 0], self.total[..., 1])

    @property
    def mean_covariate(self) -> Float:
        """float64 ``(...)``: mean of the covariate."""
        return _divide(self.total[..., 2], self.n)

    def covariance(self) -> Float:
        """What each shopper moves the ratio by, and the covariate: how both vary together.

        Returns:
            float64 ``(..., 2, 2)``: covariance matrix of the influence on the ratio (the delta
            method: ``(numerator - ratio * denominator) / mean denominator``) and the covariate;
            nan with fewer than two shoppers.
        """
        return self._covariance(self._weights())

    def variance_without(self, slope: Float) -> Float:
        """What the influence on the ratio varies by once the covariate's part is taken away.

        Args:
            slope: float64 ``(...)``: how much of the influence goes with one of the covariate.

        Returns:
            float64 ``(...)``: nan with fewer than two shoppers.
        """
        weights = self._weights()
        rest = weights[..., :1, :] - slope[..., None, None] * weights[..., 1:, :]
        return self._covariance(rest)[..., 0, 0]

    def _weights(self) -> Float:
        """float64 ``(..., 2, 3)``: influence and covariate as sums of the weighted columns."""
        mean_denominator = _divide(self.total[..., 1], self.n)
        weights = np.zeros((*self.n.shape, 2, 3))
        weights[..., 0, 0] = _divide(np.ones_like(self.n), mean_denominator)
        weights[..., 0, 1] = -_divide(self.ratio, mean_denominator)
        weights[..., 1, 2] = 1.0
        return weights

    def _covariance(self, weights: Float) -> Float:
        """Covariance matrix of weighted sums of the columns.

        It is a difference of sums of ``n`` products each, and what is no larger than the rounding
        of these is 0: shoppers who all did the same would vary by noise that looks like certainty.

        Args:
            weights: float64 ``(..., k, 3)``.

        Returns:
            float64 ``(..., k, k)``.
        """
        turned = np.swapaxes(weights, -1, -2)
        mean = weights @ _divide(self.total, self.n[..., None])[..., None]
        n = self.n[..., None, None]
        centred = weights @ self.product @ turned - n * mean * np.swapaxes(mean, -1, -2)
        lengths = np.sqrt(np.diagonal(self.product, axis1=-2, axis2=-1))[..., None]
        size = np.abs(weights) @ lengths
        rounding = n * np.finfo(np.float64).eps * size * np.swapaxes(size, -1, -2)
        centred = np.where(np.abs(centred) <= rounding, 0.0, centred)
        return centred / np.where(n > 1, n - 1, np.nan)

    def relative_variance(self) -> Float:
        """float64 ``(...)``: variance of one shopper's influence over the squared ratio.

        With ``n`` shoppers the logarithm of the ratio varies by this over ``n``.
        """
        return _divide(self.covariance()[..., 0, 0], self.ratio**2)


def _divide(numerator: Float, denominator: Float) -> Float:
    """The quotient, nan where the denominator is 0."""
    safe = np.where(denominator == 0, np.nan, denominator)
    quotient: Float = numerator / safe
    return quotient
