"""Low-pass filtering of purchases through the smoothest patterns of the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import Profile
from recsvc.core.sources.base import Items, Memory, Moment, Scores, Strategy
from recsvc.core.sparse import top
from recsvc.core.vocabulary import Arrays


@dataclass(frozen=True, slots=True)
class Spectral:
    """The ideal low-pass part of GF-CF (Shen et al. 2021).

    A shopper's purchases, scaled by how common each product is, are projected on the
    leading singular vectors of the normalised purchases and scaled back.

    Attributes:
        vectors: float32, shape ``(n_items, n_vectors)``, Fortran order: right singular vectors.
        scale: float32, shape ``(n_items,)``: square root of each product's number of buyers.
        memory: how the shopper's purchases are weighed.
    """

    name: ClassVar[str] = "spectral"
    features: ClassVar[Mapping[str, Strategy]] = {"spectral": Strategy.COLLABORATIVE}

    vectors: NDArray[np.float32]
    scale: NDArray[np.float32]
    memory: Memory

    def propose(self, moment: Moment, limit: int) -> Items:
        """What the filtered purchases hold most of."""
        return top(self._scores(moment), limit, moment.allowed)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """The filtered purchases."""
        return [self._scores(moment)[items]]

    def contributions(self, profile: Profile, items: Items) -> Scores:
        """What each product of the profile adds to the scores of ``items``."""
        theirs = self.vectors[items] * self.scale[items, None]
        return np.asarray(theirs @ self._signal(profile).T, np.float32)

    def _signal(self, profile: Profile) -> Scores:
        """The profile's products in the space of the vectors, a row each."""
        weights = self.memory.of(profile) / self.scale[profile.items]
        signal: Scores = self.vectors[profile.items] * weights[:, None]
        return signal

    def _scores(self, moment: Moment) -> Scores:
        def compute() -> Scores:
            projected = self._signal(moment.profile).sum(axis=0)
            scores: Scores = (self.vectors @ projected) * self.scale
            return scores

        return moment.dense(self.name, compute)

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {f"{prefix}.vectors": self.vectors, f"{prefix}.scale": self.scale}

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""
        return {"memory": self.memory.value}

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str, parameters: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_arrays` and :meth:`to_parameters`."""
        return cls(
            np.asarray(arrays[f"{prefix}.vectors"], np.float32),
            np.asarray(arrays[f"{prefix}.scale"], np.float32),
            Memory(parameters["memory"]),
        )
