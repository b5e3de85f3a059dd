"""How much more often than by chance two products are bought together."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recsvc.core.model import Model

MIN_BOTH = 3
"""Baskets with both products from which on a lift is said: one or two may be chance."""

MIN_LIFT = 1.1
"""The least lift that is said: with one decimal, less would read as no lift at all."""


@runtime_checkable
class PairCounts(Protocol):
    """Counted baskets."""

    @property
    def n_baskets(self) -> int:
        """How many were counted."""

    def n_with(self, item: int) -> int:
        """How many of them have a product."""

    def n_both(self, item: int, others: NDArray[np.int32]) -> NDArray[np.int64]:
        """How many have ``item`` and each of ``others``; 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two products in one basket.

    Attributes:
        other: item index of the second one.
        n_both: baskets with both.
        lift: how many times as often as if either were bought without regard to the other.
    """

    other: int
    n_both: int
    lift: float

    @property
    def is_telling(self) -> bool:
        """Whether the lift is worth saying."""
        return self.n_both >= MIN_BOTH and self.lift >= MIN_LIFT


def pair_counts(model: Model) -> PairCounts | None:
    """The counts of a model, ``None`` where it was trained without."""
    return next((source for source in model.sources if isinstance(source, PairCounts)), None)


def best_pair(counts: PairCounts, item: int, others: NDArray[np.int32]) -> Pair | None:
    """Of ``others`` the one that is most telling of ``item``; ``None`` where none was with it.

    The highest lift of those that are worth saying, else what was most often with it.
    """
    both = counts.n_both(item, others)
    n_item = counts.n_with(item)
    pairs = [
        Pair(other, n, n * counts.n_baskets / (n_item * counts.n_with(other)))
        for other, n in zip(others.tolist(), both.tolist(), strict=True)
        if n
    ]
    return max(
        pairs,
        key=lambda pair: (pair.is_telling, pair.lift if pair.is_telling else pair.n_both),
        default=None,
    )
