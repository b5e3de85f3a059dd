"""Where each customer usually buys: not at home alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.places import Level, Places, SalesAt
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import MISSING, Arrays


@dataclass(frozen=True, slots=True)
class Visits:
    """The places where customers buy, at the finest level that most purchases have.

    Attributes:
        level: that level.
        places: customers by places of the level: each one's share of the customer's visits,
            lately counting more. A row adds up to 1, or to less where there are too many places
            to keep, or is empty.
    """

    level: Level
    places: SparseRows

    def sold(
        self,
        customer: int,
        places: Places,
        items: NDArray[np.int32],
        sales: SalesAt | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Purchases of ``items`` where the customer buys, and how many would be expected there.

        Each float32 of shape ``(len(items),)``, of all time, the places weighed by the visits;
        expected is what the shares everywhere lead to expect of places of that size.
        All time, since a shop of ten thousand purchases sells most of its products less than
        once a month, and what it never sold it may not have.

        Args:
            customer: customer index.
            places: what they have sold.
            items: int32.
            sales: looks that up, where the caller does so once for many.
        """
        sales = sales or places.sales
        sold, expected = np.zeros(len(items), np.float32), np.zeros(len(items), np.float32)
        if customer == MISSING or customer >= len(self.places):
            return sold, expected
        statistics, shares = places.levels[self.level], places.usual_shares[items]
        indices, weights = self.places.row(customer)
        for index, weight in zip(indices.tolist(), weights, strict=True):
            sold += weight * sales(self.level, index, items).n_purchases
            expected += weight * statistics.sizes[index] * shares
        return sold, expected

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return self.places.to_arrays(prefix)

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, parameters: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_arrays`; ``parameters`` hold ``visits_level``."""
        level = Level[parameters["visits_level"]]
        return cls(level, SparseRows.from_arrays(arrays, prefix))
