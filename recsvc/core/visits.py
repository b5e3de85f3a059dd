"""Where each customer usually buys: not at home alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.places import Level, Places
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import MISSING, Arrays


@dataclass(frozen=True, slots=True)
class Visits:
    """The places where customers buy, at the finest level that the data has.

    Attributes:
        level: that level.
        places: customers by places of the level: each one's share of the customer's visits,
            lately counting more; a row adds up to 1, or is empty.
    """

    level: Level
    places: SparseRows

    def lift(self, customer: int, places: Places, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """float32, shape ``(len(items),)``: how much more is bought there than everywhere.

        Logarithm of the ratio of shares, the places' weighed by the visits; 0 for who is
        unknown.
        """
        if customer == MISSING or not len(self.places):
            return np.zeros(len(items), np.float32)
        indices, weights = self.places.row(customer)
        everywhere = places.shares[items]
        statistics, shrinkage = places.levels[self.level], np.float32(places.shrinkage)
        share = np.float32(1 - weights.sum()) * everywhere
        for index, weight in zip(indices.tolist(), weights.tolist(), strict=True):
            counts = statistics.counts.at(index, items) + shrinkage * everywhere
            share = share + np.float32(weight) * counts / (statistics.totals[index] + shrinkage)
        return np.asarray(np.log(share / everywhere), np.float32)

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return self.places.to_arrays(prefix)

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, parameters: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_arrays`; ``parameters`` hold ``visits_level``."""
        level = Level[parameters["visits_level"]]
        return cls(level, SparseRows.from_arrays(arrays, prefix))
