"""An inverted file: products in lists by the nearest of some centroids (Jégou et al. 2011).

A product of vectors with a million products is a pass over all their factors. The products that a
shopper's vector is largest with lie in few of the lists; these are read, and their products scored
as all would be. :mod:`training.models.inverted` makes one, and says how few are enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.vocabulary import Arrays

FEW_ALLOWED = 32
"""Where at most one product in so many is allowed, they are scored without any list."""

MOST_LISTS = 4
"""Where more than one list in so many had to be read, a pass over everything is as quick."""


@dataclass(frozen=True, slots=True)
class InvertedFile:
    """Which products to score for a vector.

    Attributes:
        centroids: float32, shape ``(n_lists, n_factors)``.
        starts: int64, shape ``(n_lists + 1,)``: where each list begins.
        items: int32, shape ``(n_items,)``: the products, list by list, each once.
        n_probes: lists that are read where everything is allowed.
        recall: share of the best that were in them, over the shoppers it was measured with.

    Raises:
        ValueError: the arrays do not belong together, or do not name each product once.
    """

    centroids: NDArray[np.float32]
    starts: NDArray[np.int64]
    items: NDArray[np.int32]
    n_probes: int
    recall: float

    def __post_init__(self) -> None:
        n_items, starts = len(self.items), self.starts
        fits = len(starts) == len(self.centroids) + 1 and starts[0] == 0 and starts[-1] == n_items
        if not fits or (np.diff(starts) < 0).any() or not 0 < self.n_probes < len(starts):
            raise ValueError("an inverted file whose lists are not those of its centroids")
        if n_items and not 0 <= self.items.min() <= self.items.max() < n_items:
            raise ValueError(f"an inverted file of {n_items} products with others in its lists")
        is_there = np.zeros(n_items, np.bool_)  # a million take a few milliseconds, a sort far more
        is_there[self.items] = True
        if not is_there.all():
            raise ValueError(f"an inverted file of {n_items} products with some of them twice")

    def near(
        self, vector: NDArray[np.float32], allowed: NDArray[np.bool_]
    ) -> NDArray[np.int32] | None:
        """int32, distinct: the allowed products to score, ``None`` for all of them.

        The lists are those whose centroids have the largest products with the vector, and the more
        of them the fewer products are allowed.

        Args:
            vector: float32, shape ``(n_factors,)``.
            allowed: bool, shape ``(n_items,)``.
        """
        n_allowed = np.count_nonzero(allowed)
        if n_allowed * FEW_ALLOWED <= len(self.items):
            return np.flatnonzero(allowed).astype(np.int32)
        n_probes = round(self.n_probes * len(self.items) / n_allowed)
        n_lists = len(self.centroids)
        if n_probes * MOST_LISTS > n_lists:
            return None
        affinity = self.centroids @ vector
        chosen = affinity.argpartition(n_lists - n_probes)[-n_probes:]
        spans = (self.items[self.starts[at] : self.starts[at + 1]] for at in chosen.tolist())
        items: NDArray[np.int32] = np.concatenate(list(spans))
        return items[allowed[items]]

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            f"{prefix}.centroids": self.centroids,
            f"{prefix}.starts": self.starts,
            f"{prefix}.items": self.items,
        }

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""
        return {"n_probes": self.n_probes, "recall": self.recall}

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, parameters: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_arrays` and :meth:`to_parameters`."""
        return cls(
            np.asarray(arrays[f"{prefix}.centroids"], np.float32),
            np.asarray(arrays[f"{prefix}.starts"], np.int64),
            np.asarray(arrays[f"{prefix}.items"], np.int32),
            int(parameters["n_probes"]),
            float(parameters["recall"]),
        )
