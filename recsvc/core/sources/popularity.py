"""What everybody has bought of late."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.sources.base import Items, Moment, Scores, Strategy
from recsvc.core.sparse import distinct, top
from recsvc.core.vocabulary import Arrays

N_FIRST = 2_048
"""Products that find most new buyers, known in their order: of a million to look for the best among
all at each call took 2 ms."""


@dataclass(frozen=True, slots=True)
class Popularity:
    """What everybody has bought, of late and lately.

    Attributes:
        log_shares: float32, shape ``(n_items,)``: logarithm of each product's share in the
            purchases of the last days.
        log_shares_long: the same with a longer memory.
        log_shares_first: the same of purchases by customers who had never bought it: what
            finds new buyers just now.
        order: int32, shape ``(n_items,)``: products by falling share; the order that
            also breaks ties and fills lists up, so that no list is ever empty.
        first: int32: the products that find most new buyers, the most first.
    """

    name: ClassVar[str] = "popularity"
    features: ClassVar[Mapping[str, Strategy]] = {
        "popularity": Strategy.POPULAR,
        "popularity_long": Strategy.POPULAR,
        "popularity_first": Strategy.POPULAR,
    }

    log_shares: Scores
    log_shares_long: Scores
    log_shares_first: Scores
    order: Items
    first: Items = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found = top(self._above_least(), N_FIRST)
        order = np.argsort(-self.log_shares_first[found], kind="stable")
        object.__setattr__(self, "first", found[order])

    def propose(self, moment: Moment, limit: int) -> Items:
        """The most bought; of new products also what finds most new buyers."""
        if not moment.only_new:
            return self._most_bought(moment, limit)
        return distinct([self._most_bought(moment, limit), self._most_first(moment, limit)])

    def _most_first(self, moment: Moment, limit: int) -> Items:
        found = self.first[moment.allowed[self.first]]
        if len(found) < limit and len(self.first) == N_FIRST:
            return top(self._above_least(), limit, moment.allowed)
        return found[:limit]

    def _above_least(self) -> Scores:
        least = self.log_shares_first.min(initial=0)
        above: Scores = self.log_shares_first - least
        return above

    def _most_bought(self, moment: Moment, limit: int) -> Items:
        # Most products are allowed: the head of the order nearly always suffices.
        head = self.order[: 4 * limit]
        found = head[moment.allowed[head]]
        if len(found) < limit:
            found = self.order[moment.allowed[self.order]]
        return found[:limit]

    def score(self, moment: Moment, items: Items) -> list[Scores]:  # noqa: ARG002  # the protocol's
        """Logarithms of the shares."""
        return [
            self.log_shares[items],
            self.log_shares_long[items],
            self.log_shares_first[items],
        ]

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            f"{prefix}.log_shares": self.log_shares,
            f"{prefix}.log_shares_long": self.log_shares_long,
            f"{prefix}.log_shares_first": self.log_shares_first,
            f"{prefix}.order": self.order,
        }

    def to_parameters(self) -> dict[str, Any]:
        """None."""
        return {}

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`."""
        return cls(
            np.asarray(arrays[f"{prefix}.log_shares"], np.float32),
            np.asarray(arrays[f"{prefix}.log_shares_long"], np.float32),
            np.asarray(arrays[f"{prefix}.log_shares_first"], np.float32),
            np.asarray(arrays[f"{prefix}.order"], np.int32),
        )
