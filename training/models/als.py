"""Matrix factors by alternating least squares, weighed and regularised as Rendle et al. do.

The iALS of Hu, Koren and Volinsky (2008) with the two knobs that "Revisiting the Performance of
iALS on Item Recommendation Benchmarks" (2022) finds to matter most: the weight of what was not
bought, here the inverse of ``alpha``, and a regularization that grows with what is known of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt
from scipy.sparse import csr_array

from recsvc.core.factors import Factors
from training.interactions import Interactions
from training.ranges import Share

MAX_BATCHES = 12
"""Batches of a half-sweep: implicit computes the Gram matrix anew for each."""

BATCH_SPREAD = 1.15
"""Largest regularization of a batch over its smallest, unless :data:`MAX_BATCHES` are too few."""

MIN_PARALLEL_PAIRS = 10_000
"""Pairs of a batch below which one thread solves it: on busy cores, starting and awaiting
the others takes longer than the work."""

INITIAL_LENGTH = 0.1
"""About how long the random factors are that a fit starts from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlsSettings:
    """What :func:`fit_als` is told; the defaults suit purchases over time.

    Attributes:
        n_factors: dimensions.
        iterations: sweeps, each over the customers and then over the products.
        regularization: Rendle's lambda, a share of the mean row's weight with what was not
            bought included; so .001 to .01 suits data of any size.
        alpha: confidence of one unit of weight, where what was not bought has 1. 1 to 5 finds
            most next purchases; 50 to 200 hidden ones of data without times, repeats or noise.
        exponent: Rendle's nu: 0 regularises every row alike, 1 in proportion to its weight,
            which pays where ``alpha`` is large.
        half_life_days: decay of the purchases; that of the profiles' weights, or what is
            folded in is not what was fitted.
        seed: of the random factors that a fit starts from.
    """

    n_factors: PositiveInt = 64
    iterations: PositiveInt = 6
    regularization: PositiveFloat = 0.003
    alpha: PositiveFloat = 2.0
    exponent: Share = 0.5
    half_life_days: float = field(default=120.0, metadata={"follows": "long_half_life_days"})
    seed: int = field(default=0, metadata={"follows": "seed"})


@dataclass(frozen=True, slots=True)
class _Regularization:
    """That of the rows on one side, as :class:`Factors` keeps it for the customers.

    Attributes:
        mean: of a row with the mean count.
        exponent: how it grows with the count.
        offset: what was not bought, at its weight, in units of what was.
        mean_count: over the rows that have any, ``offset`` included.
    """

    mean: float
    exponent: float
    offset: float
    mean_count: float

    @classmethod
    def of_side(
        cls, counts: NDArray[np.int64], other_counts: NDArray[np.int64], settings: AlsSettings
    ) -> "_Regularization":
        """From the entries of each row on this side and on the other."""
        n_rows, n_others = int(np.count_nonzero(counts)), int(np.count_nonzero(other_counts))
        offset = n_others / settings.alpha
        # 1 where nothing was bought at all, so that nothing is divided by 0.
        mean_count = max(float(counts.sum()) / max(n_rows, 1) + offset, 1.0)
        mean = settings.regularization * settings.alpha * mean_count
        return cls(mean, settings.exponent, offset, mean_count)

    def of_rows(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64, shape ``(len(counts),)``."""
        relative = (counts + self.offset) / self.mean_count
        return np.asarray(self.mean * relative**self.exponent, np.float64)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Neighbouring rows of so similar counts that one regularization does for all."""

    rows: slice
    confidence: csr_array
    regularization: float


def fit_als(interactions: Interactions, settings: AlsSettings) -> Factors:
    """Fit item factors; users are folded in when they are asked for.

    Deterministic for a seed, on any number of threads: each half-sweep solves every row by
    itself.
    """
    values = interactions.lines["weight"].to_numpy() * interactions.decayed(settings.half_life_days)
    # The same transformation as Profile.confidence: fold-in must solve what was fitted.
    confidence = interactions.matrix(values).log1p() * np.float32(settings.alpha)
    user_counts = np.diff(confidence.indptr).astype(np.int64)
    item_counts = np.bincount(confidence.indices, minlength=confidence.shape[1])
    of_users = _Regularization.of_side(user_counts, item_counts, settings)
    of_items = _Regularization.of_side(item_counts, user_counts, settings)

    # In order of their counts, rows of one batch lie side by side and are solved in place.
    user_order = np.argsort(user_counts, kind="stable")
    item_order = np.argsort(item_counts, kind="stable")
    confidence = csr_array(confidence[user_order][:, item_order])
    user_batches = _batches(confidence, of_users.of_rows(user_counts[user_order]))
    item_batches = _batches(csr_array(confidence.T), of_items.of_rows(item_counts[item_order]))

    users = np.zeros((len(user_counts), settings.n_factors), np.float32)
    items = _initial(item_counts[item_order], settings)
    for _ in range(settings.iterations):
        _solve(users, items, user_batches)
        _solve(items, users, item_batches)

    fitted = np.empty_like(items, order="F")
    fitted[item_order] = items
    return Factors(
        items=fitted,
        gram=items.T @ items,
        alpha=settings.alpha,
        regularization=of_users.mean,
        exponent=of_users.exponent,
        offset=of_users.offset,
        mean_count=of_users.mean_count,
    )


def _initial(counts: NDArray[np.int64], settings: AlsSettings) -> NDArray[np.float32]:
    """Random factors, and zeros for what nobody bought: no sweep comes to those."""
    shape = (len(counts), settings.n_factors)
    factors = np.random.default_rng(settings.seed).standard_normal(shape, np.float32)
    factors *= np.float32(INITIAL_LENGTH / np.sqrt(settings.n_factors))
    factors[counts == 0] = 0
    return factors


def _batches(confidence: csr_array, regularization: NDArray[np.float64]) -> list[_Batch]:
    """Cut the rows that have entries into runs of similar regularization.

    Args:
        confidence: rows in ascending order of their number of entries.
        regularization: ascending, shape ``(n_rows,)``.
    """
    first = int(np.searchsorted(np.diff(confidence.indptr), 1))
    known = regularization[first:]
    if not len(known):
        return []
    steps = np.log(known[-1] / known[0]) / np.log(BATCH_SPREAD)
    n_batches = int(np.clip(np.ceil(steps), 1, MAX_BATCHES))
    limits = np.geomspace(known[0], known[-1], n_batches + 1)[1:-1]
    cuts = [first, *(first + np.searchsorted(known, limits)), len(regularization)]
    return [
        _Batch(slice(start, stop), confidence[start:stop], float(regularization[start:stop].mean()))
        for start, stop in pairwise(cuts)
        if start < stop
    ]


def _solve(
    rows: NDArray[np.float32], fixed: NDArray[np.float32], batches: Sequence[_Batch]
) -> None:
    """Improve ``rows`` in place, by a few conjugate-gradient steps from where they are."""
    solver = AlternatingLeastSquares().solver
    for batch in batches:
        solver(
            batch.confidence,
            rows[batch.rows],
            fixed,
            batch.regularization,
            num_threads=0 if batch.confidence.nnz >= MIN_PARALLEL_PAIRS else 1,  # 0 is all
        )
