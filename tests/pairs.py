"""Counted baskets, given by hand or counted from purchases."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recsvc.core.model import Model
from recsvc.core.sources import Moment, Strategy


@dataclass(frozen=True)
class CountedPairs:
    """A source that proposes nothing and knows baskets, as ``core.pairs.PairCounts``."""

    n_baskets: int
    singles: Mapping[int, int] = field(default_factory=dict)
    both: Mapping[tuple[int, int], int] = field(default_factory=dict)

    name: ClassVar[str] = "counted_pairs"
    features: ClassVar[Mapping[str, Strategy]] = {}

    @classmethod
    def of(cls, baskets: Iterable[set[int]]) -> "CountedPairs":
        """Count baskets of item indices."""
        singles: dict[int, int] = {}
        both: dict[tuple[int, int], int] = {}
        counted = list(baskets)
        for basket in counted:
            for item in basket:
                singles[item] = singles.get(item, 0) + 1
            for pair in permutations(basket, 2):
                both[pair] = both.get(pair, 0) + 1
        return cls(len(counted), singles, both)

    def n_with(self, item: int) -> int:
        return self.singles.get(item, 0)

    def n_both(self, item: int, others: NDArray[np.int32]) -> NDArray[np.int64]:
        return np.array([self.both.get((item, other), 0) for other in others.tolist()], np.int64)

    def propose(self, moment: Moment, limit: int) -> NDArray[np.int32]:  # noqa: ARG002  # a source's
        return np.zeros(0, np.int32)

    def score(self, moment: Moment, items: NDArray[np.int32]) -> list[NDArray[np.float32]]:  # noqa: ARG002  # likewise
        return []

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:  # noqa: ARG002  # likewise
        return {}

    def to_parameters(self) -> dict[str, Any]:
        return {}


def with_pairs(model: Model, pairs: CountedPairs) -> Model:
    """The model with baskets that somebody counted."""
    return replace(model, sources=(*model.sources, pairs))
