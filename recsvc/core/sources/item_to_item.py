"""Products that go with the shopper's own: neighbours, regression weights, transitions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import Profile
from recsvc.core.sources.base import Items, Memory, Moment, Scores, Strategy
from recsvc.core.sparse import SparseRows, Sum, top
from recsvc.core.vocabulary import Arrays

N_OWN = 100
"""Of a shopper's products the neighbours of the weightiest are looked up: a household of
500 costs four times as much, and its lists are no better (nDCG@10 of new groceries .0459
with 100, .0457 with all)."""


@dataclass(frozen=True, slots=True)
class ItemToItem:
    """A sum over the shopper's products of what each says of every other.

    One class for all linear item-to-item models: they differ in how the weights were found
    and in the memory of the profile.

    Attributes:
        name: which model found the weights.
        weights: products by products: what a row's product says of the columns'.
        memory: how the shopper's purchases are weighed.
    """

    name: str
    weights: SparseRows
    memory: Memory = Memory.WEIGHT

    @property
    def features(self) -> Mapping[str, Strategy]:
        """One score, under the source's own name."""
        return {self.name: Strategy.SIMILAR}

    def propose(self, moment: Moment, limit: int) -> Items:
        """What the shopper's purchases speak for most."""
        return self._sum(moment).top(limit, moment.allowed)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """The weighted sum over the shopper's products."""
        return [self._sum(moment).values[items]]

    def contributions(self, profile: Profile, items: Items) -> Scores:
        """What each product of the profile adds to the scores of ``items``."""
        terms = np.zeros((len(items), len(profile.items)), np.float32)
        weights = self.memory.of(profile)
        for own in top(weights, N_OWN).tolist():
            terms[:, own] = self.weights.at(int(profile.items[own]), items) * weights[own]
        return terms

    def _sum(self, moment: Moment) -> Sum:
        def compute() -> Sum:
            weights = self.memory.of(moment.profile)
            own = top(weights, N_OWN)
            items = moment.profile.items[own]
            return self.weights.sum(items, weights[own], len(self.weights))

        return moment.dense(self.name, compute)

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return self.weights.to_arrays(prefix)

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""
        return {"memory": self.memory.value}

    @classmethod
    def from_arrays(
        cls, name: str, arrays: Arrays, prefix: str, parameters: Mapping[str, Any]
    ) -> Self:
        """The inverse of :meth:`to_arrays` and :meth:`to_parameters`."""
        return cls(name, SparseRows.from_arrays(arrays, prefix), Memory(parameters["memory"]))
