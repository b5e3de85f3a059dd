"""How much more often than by chance two products are bought together."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from recsvc.core.baskets import Pairs

MIN_BOTH = 3
"""Baskets with both products from which on a lift is said: one or two may be chance."""

MIN_LIFT = 1.1
"""The least lift that is said: with one decimal, less would read as no lift at all."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two products that were in one basket.

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


def pair(pairs: Pairs, item: int, other: int, n_both: float) -> Pair:
    """What ``n_both`` baskets with both, one at least, say of ``item`` and ``other``."""
    n_each = float(pairs.n_with[item]) * float(pairs.n_with[other])
    return Pair(other, round(n_both), n_both * pairs.n_baskets / n_each)


def counted(pairs: Pairs | None, item: int, other: int) -> Pair | None:
    """The pair as it was counted, from either side: of each product the closest are kept."""
    if pairs is None:
        return None
    n_both = max(
        float(pairs.both.at(here, np.array([there], np.int32))[0])
        for here, there in ((item, other), (other, item))
    )
    return pair(pairs, item, other, n_both) if n_both else None


def most_telling(pairs: Iterable[Pair]) -> Pair | None:
    """The highest lift of those that are worth saying, else what was most often together."""
    return max(
        pairs,
        key=lambda one: (one.is_telling, one.lift if one.is_telling else one.n_both),
        default=None,
    )
