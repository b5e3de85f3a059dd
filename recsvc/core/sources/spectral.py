"""Purchases filtered through who buys alike and the smoothest patterns of the catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import Profile
from recsvc.core.matvecs import matvecs
from recsvc.core.sources.base import Items, Memory, Moment, Scores, Strategy
from recsvc.core.sparse import SparseRows, top
from recsvc.core.vocabulary import Arrays


@dataclass(frozen=True, slots=True)
class Spectral:
    """GF-CF (Shen et al. 2021): a linear filter and an ideal low-pass filter, added.

    The linear one walks from the shopper's products to their buyers and on to what those
    bought. The low-pass one projects the purchases, scaled by how common each product is, on
    the leading singular vectors of the normalised purchases, and scales them back.

    Attributes:
        purchases: customers by products: 1 over the root of both sides' numbers.
        buyers: its transpose.
        vectors: float32, shape ``(n_items, n_vectors)``, Fortran order: right singular vectors.
        scale: float32, shape ``(n_items,)``: square root of each product's number of buyers.
        memory: how the shopper's purchases are weighed.
        low_pass: weight of the low-pass filter beside the linear one.
    """

    name: ClassVar[str] = "spectral"
    features: ClassVar[Mapping[str, Strategy]] = {"spectral": Strategy.COLLABORATIVE}

    purchases: SparseRows
    buyers: SparseRows
    vectors: NDArray[np.float32]
    scale: NDArray[np.float32]
    memory: Memory
    low_pass: float

    def propose(self, moment: Moment, limit: int) -> Items:
        """What the filtered purchases hold most of."""
        return top(self._scores(moment), limit, moment.allowed)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """The filtered purchases."""
        return [self._scores(moment)[items]]

    def share(self, moments: Sequence[Moment]) -> None:
        """Read the vectors once for all."""
        filtered = self._filtered([moment.profile for moment in moments])
        for moment, scores in zip(moments, filtered, strict=True):
            moment.keep(self.name, scores)

    def contributions(self, profile: Profile, items: Items) -> Scores:
        """What each product of the profile adds to the scores of ``items``."""
        theirs = self.vectors[items] * self.scale[items, None]
        terms = theirs @ self._signal(profile).T
        weights = self.memory.of(profile)
        for row, item in enumerate(items.tolist()):
            # The walk is as long in both directions.
            walked = self._walk(np.array([item], np.int32), np.ones(1, np.float32))
            terms[row] += walked[profile.items] * weights
        return np.asarray(terms, np.float32)

    def _walk(self, items: Items, weights: Scores) -> Scores:
        """From products to their buyers and on to all that those bought."""
        reached = self.buyers.weighted_sum(items, weights, len(self.purchases))
        customers = np.flatnonzero(reached).astype(np.int32)
        return self.purchases.weighted_sum(customers, reached[customers], len(self.buyers))

    def _signal(self, profile: Profile) -> Scores:
        """The profile's products in the space of the vectors, a row each."""
        weights = np.float32(self.low_pass) * self.memory.of(profile) / self.scale[profile.items]
        signal: Scores = self.vectors[profile.items] * weights[:, None]
        return signal

    def _scores(self, moment: Moment) -> Scores:
        return moment.dense(self.name, lambda: self._filtered([moment.profile])[0])

    def _filtered(self, profiles: Sequence[Profile]) -> list[Scores]:
        """What passes both filters, for each of several profiles."""
        projected = [self._signal(profile).sum(axis=0) for profile in profiles]
        return [
            smooth * self.scale + self._walk(profile.items, self.memory.of(profile))
            for profile, smooth in zip(profiles, matvecs(self.vectors, projected), strict=True)
        ]

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            **self.purchases.to_arrays(f"{prefix}.purchases"),
            **self.buyers.to_arrays(f"{prefix}.buyers"),
            f"{prefix}.vectors": self.vectors,
            f"{prefix}.scale": self.scale,
        }

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""
        return {"memory": self.memory.value, "low_pass": self.low_pass}

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, parameters: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_arrays` and :meth:`to_parameters`."""
        return cls(
            SparseRows.from_arrays(arrays, f"{prefix}.purchases"),
            SparseRows.from_arrays(arrays, f"{prefix}.buyers"),
            np.asarray(arrays[f"{prefix}.vectors"], np.float32),
            np.asarray(arrays[f"{prefix}.scale"], np.float32),
            Memory(parameters["memory"]),
            float(parameters["low_pass"]),
        )
