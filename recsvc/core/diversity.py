"""How varied a list is: levels, and how alike two products are.

How a list is mixed by them says :mod:`recsvc.core.mixing`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.catalogue import SEPARATOR, Catalogue, canonical_path
from recsvc.core.factors import Factors
from recsvc.core.vocabulary import MISSING

Vector = NDArray[np.float32]


class Diversity(StrEnum):
    """How varied a list should be; :attr:`NONE` is in the order of the scores alone."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike the products of an assortment are, from 0 to 1.

    The mean of what they have in common (Jaccard index of the category, each category above it
    and the brand) and of who buys them (cosine of their factors, below 0 as 0); one of the two
    alone where the other is not known.

    Attributes:
        traits: int32, shape ``(n_items, n_traits)``: a code for each level of the category path and
            the brand, :data:`MISSING` where there is none.
        n_traits: int32, shape ``(n_items,)``: how many are there.
        factors: of the learnt products, None where the model has none.
        norms: float32, shape ``(n_learnt,)``: their lengths.
    """

    traits: NDArray[np.int32]
    n_traits: NDArray[np.int32]
    factors: Factors | None
    norms: Vector

    @classmethod
    def of(cls, catalogue: Catalogue, factors: Factors | None, norms: Vector) -> Self:
        """Look at a catalogue; ``factors`` and ``norms`` are those of the learnt products."""
        traits = traits_of(catalogue)
        return cls(traits, (traits != MISSING).sum(axis=1, dtype=np.int32), factors, norms)

    def among(self, items: NDArray[np.int32]) -> "Alike":
        """The same for some products, gathered once."""
        n_learnt = len(self.norms)
        has_factors = items < n_learnt
        directions = np.zeros((len(items), 0), np.float32)
        if self.factors is not None:
            learnt = items[has_factors]
            directions = np.zeros((len(items), self.factors.items.shape[1]), np.float32)
            directions[has_factors] = self.factors.rows[learnt] / self.norms[learnt, None]
        return Alike(
            self.traits[items],
            self.n_traits[items],
            directions,
            has_factors & directions.any(axis=1),
        )


@dataclass(frozen=True, slots=True)
class Alike:
    """:class:`Likeness` of some products; all arrays have a row for each.

    Attributes:
        traits, n_traits: theirs.
        directions: float32, shape ``(n, n_factors)``: factors of length 1, or zeros.
        has_direction: bool, shape ``(n,)``.
    """

    traits: NDArray[np.int32]
    n_traits: NDArray[np.int32]
    directions: Vector
    has_direction: NDArray[np.bool_]

    def matrix(self) -> Vector:
        """float32, shape ``(n, n)``: how alike each two of them are, 1 at most."""
        n = len(self.n_traits)
        shared = np.zeros((n, n), np.int32)
        for codes in self.traits.T:
            shared += (codes[:, None] == codes) & (codes != MISSING)
        either = self.n_traits[:, None] + self.n_traits - shared
        jaccard: Vector = (shared / np.maximum(either, 1)).astype(np.float32)
        cosine: Vector = np.clip(self.directions @ self.directions.T, 0, 1)
        # Where either lacks factors, or words of the catalogue, the other kind speaks alone.
        have_factors = self.has_direction[:, None] & self.has_direction
        have_traits = (self.n_traits > 0)[:, None] & (self.n_traits > 0)
        share = np.where(have_factors & have_traits, np.float32(0.5), np.float32(1))
        likeness: Vector = share * (jaccard + cosine)
        return likeness


def traits_of(catalogue: Catalogue) -> NDArray[np.int32]:
    """int32, shape ``(n_items, n_levels + 1)``: each level of the category path, and the brand.

    The codes of one column are equal where the names down to that level are; :data:`MISSING` where
    a path is shorter, or not known.
    """
    paths = [canonical_path(path).split(SEPARATOR) for path in catalogue.categories.ids]
    depth = max(map(len, paths), default=0)
    levels = [_coded(paths, level)[catalogue.category] for level in range(1, depth + 1)]
    return np.stack([*levels, catalogue.brand], axis=1)


def _coded(paths: Sequence[Sequence[str]], depth: int) -> NDArray[np.int32]:
    """A code for the first ``depth`` names of each path, and :data:`MISSING` for no path."""
    codes: dict[tuple[str, ...], int] = {}
    coded = [
        codes.setdefault(tuple(path[:depth]), len(codes)) if len(path) >= depth else MISSING
        for path in paths
    ]
    # An item without a category has the index MISSING, -1: the last.
    return np.array([*coded, MISSING], np.int32)
