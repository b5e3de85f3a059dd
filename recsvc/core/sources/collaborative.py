"""Collaborative filtering through matrix factors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.factors import Factors
from recsvc.core.histories import Profile
from recsvc.core.sources.base import Items, Moment, Scores, Strategy
from recsvc.core.sparse import top
from recsvc.core.vocabulary import Arrays


@dataclass(frozen=True, slots=True)
class Collaborative:
    """What customers with like purchases buy, through matrix factors.

    Attributes:
        factors: of the products; shoppers are folded in.
        name: which method fitted them.
    """

    factors: Factors
    name: str = "collaborative"

    @property
    def features(self) -> Mapping[str, Strategy]:
        """One score, under the source's own name."""
        return {self.name: Strategy.COLLABORATIVE}

    def propose(self, moment: Moment, limit: int) -> Items:
        """The largest products of user and item factors."""
        return top(self._scores(moment), limit, moment.allowed)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """The product of user and item factors."""
        return [self._scores(moment)[items]]

    def contributions(self, profile: Profile, items: Items) -> Scores:
        """What each product of the profile adds to the scores of ``items``."""
        return self.factors.contributions(profile, items)

    def _scores(self, moment: Moment) -> Scores:
        def compute() -> Scores:
            if moment.profile.is_empty:  # nothing to multiply with
                return np.zeros(len(self.factors.items), np.float32)
            scores: Scores = self.factors.items @ self.factors.user(moment.profile)
            return scores

        return moment.dense(self.name, compute)

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return self.factors.to_arrays(prefix)

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""
        return self.factors.to_parameters()

    @classmethod
    def from_arrays(
        cls, name: str, arrays: Arrays, prefix: str, parameters: Mapping[str, Any]
    ) -> Self:
        """The inverse of :meth:`to_arrays` and :meth:`to_parameters`."""
        return cls(Factors.from_arrays(arrays, prefix, parameters), name)
