"""Collaborative filtering through matrix factors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.factors import Factors
from recsvc.core.histories import Profile
from recsvc.core.inverted import InvertedFile
from recsvc.core.matvecs import matvecs
from recsvc.core.sources.base import Items, Moment, Scores, Strategy
from recsvc.core.sparse import top
from recsvc.core.vocabulary import Arrays

NO_ITEMS = np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True)
class Collaborative:
    """What customers with like purchases buy, through matrix factors.

    Attributes:
        factors: of the products; shoppers are folded in.
        name: which method fitted them.
        inverted: which products to score for a proposal; ``None`` all of them.

    Raises:
        ValueError: the inverted file is one of other factors.
    """

    factors: Factors
    name: str = "collaborative"
    inverted: InvertedFile | None = None

    def __post_init__(self) -> None:
        if self.inverted is None:
            return
        shape = (len(self.inverted.items), self.inverted.centroids.shape[1])
        if shape != self.factors.items.shape:
            n_items, n_factors = self.factors.items.shape
            raise ValueError(
                f"{self.name}: an inverted file of {shape[0]} products with vectors of {shape[1]} "
                f"does not fit factors of {n_items} products with vectors of {n_factors}"
            )

    @property
    def features(self) -> Mapping[str, Strategy]:
        """One score, under the source's own name."""
        return {self.name: Strategy.COLLABORATIVE}

    def propose(self, moment: Moment, limit: int) -> Items:
        """The largest products of user and item factors."""
        if moment.profile.is_empty:  # nothing to multiply with
            return NO_ITEMS
        if self.inverted is not None:
            user = self._user(moment)
            near = self.inverted.near(user, moment.allowed)
            if near is not None:
                found = near[top(self.factors.items[near] @ user, limit)]
                is_all = len(near) == np.count_nonzero(moment.allowed)
                if len(found) == limit or is_all:  # else the lists that were read are too few
                    return found
        return top(self._scores(moment), limit, moment.allowed)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """The product of user and item factors."""
        if self.inverted is None:
            return [self._scores(moment)[items]]
        return [self.factors.items[items] @ self._user(moment)]

    def share(self, moments: Sequence[Moment]) -> None:
        """Read the factors once for all who have a profile, unless few of them are read."""
        if self.inverted is not None:
            return
        asking = [moment for moment in moments if not moment.profile.is_empty]
        users = [self._user(moment) for moment in asking]
        for moment, scores in zip(asking, matvecs(self.factors.items, users), strict=True):
            moment.keep(self.name, scores)

    def contributions(self, profile: Profile, items: Items) -> Scores:
        """What each product of the profile adds to the scores of ``items``."""
        return self.factors.contributions(profile, items)

    def _user(self, moment: Moment) -> Scores:
        return moment.dense(f"{self.name} user", lambda: self.factors.user(moment.profile))

    def _scores(self, moment: Moment) -> Scores:
        def compute() -> Scores:
            if moment.profile.is_empty:  # nothing to multiply with
                return np.zeros(len(self.factors.items), np.float32)
            return matvecs(self.factors.items, [self._user(moment)])[0]

        return moment.dense(self.name, compute)

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        arrays = self.factors.to_arrays(prefix)
        if self.inverted is not None:
            arrays |= self.inverted.to_arrays(f"{prefix}.inverted")
        return arrays

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""
        parameters = self.factors.to_parameters()
        if self.inverted is not None:
            parameters["inverted"] = self.inverted.to_parameters()
        return parameters

    @classmethod
    def from_arrays(
        cls, name: str, arrays: Arrays, prefix: str, parameters: Mapping[str, Any]
    ) -> Self:
        """The inverse of :meth:`to_arrays` and :meth:`to_parameters`."""
        known = parameters.get("inverted")
        return cls(
            Factors.from_arrays(arrays, prefix, parameters),
            name,
            InvertedFile.from_arrays(arrays, f"{prefix}.inverted", known) if known else None,
        )
