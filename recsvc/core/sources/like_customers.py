"""What the customers whose baskets are most like the shopper's have bought."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.sources.base import Items, Memory, Moment, Scores, Strategy
from recsvc.core.sources.item_to_item import N_OWN
from recsvc.core.sparse import SparseRows, Sum, top
from recsvc.core.vocabulary import MISSING, Arrays


@dataclass(frozen=True, slots=True)
class LikeCustomers:
    """Neighbours among customers with time-decayed baskets (TIFU-KNN, Hu et al. 2020).

    Attributes:
        baskets: customers by products: decayed purchases, each row of length 1.
        buyers: its transpose.
        memory: how the shopper's purchases are weighed; the baskets were weighed alike.
        n_neighbours: customers that are asked.
        own_share: what the shopper's own basket counts in the second feature.
    """

    name: ClassVar[str] = "like_customers"
    features: ClassVar[Mapping[str, Strategy]] = {
        "like_customers": Strategy.COLLABORATIVE,
        "next_basket": Strategy.COLLABORATIVE,
    }

    baskets: SparseRows
    buyers: SparseRows
    memory: Memory
    n_neighbours: int
    own_share: float

    def propose(self, moment: Moment, limit: int) -> Items:
        """What the neighbours have most of."""
        return self._sum(moment).top(limit, moment.allowed)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """The neighbours' mean basket, and its mixture with the shopper's own."""
        theirs = self._sum(moment).values[items]
        own = moment.owned(items).read(self._basket(moment))
        share = np.float32(self.own_share)
        return [theirs, share * own + (1 - share) * theirs]

    def _basket(self, moment: Moment) -> Scores:
        def compute() -> Scores:
            weights = self.memory.of(moment.profile)
            length = np.sqrt(weights @ weights)
            return weights / length if length > 0 else weights

        return moment.dense(f"{self.name} basket", compute)

    def _sum(self, moment: Moment) -> Sum:
        def compute() -> Sum:
            basket = self._basket(moment)
            own = top(basket, N_OWN)
            items = moment.profile.items[own]
            likeness = self.buyers.sum(items, basket[own], len(self.baskets))
            if moment.customer != MISSING:
                likeness.values[moment.customer] = 0
            nearest = likeness.top(self.n_neighbours)
            weights = likeness.values[nearest]
            total = weights.sum()
            weights = weights / total if total > 0 else weights
            return self.baskets.sum(nearest, weights, len(self.buyers))

        return moment.dense(self.name, compute)

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            **self.baskets.to_arrays(f"{prefix}.baskets"),
            **self.buyers.to_arrays(f"{prefix}.buyers"),
        }

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""
        return {
            "memory": self.memory.value,
            "n_neighbours": self.n_neighbours,
            "own_share": self.own_share,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, parameters: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_arrays` and :meth:`to_parameters`."""
        return cls(
            SparseRows.from_arrays(arrays, f"{prefix}.baskets"),
            SparseRows.from_arrays(arrays, f"{prefix}.buyers"),
            Memory(parameters["memory"]),
            int(parameters["n_neighbours"]),
            float(parameters["own_share"]),
        )
