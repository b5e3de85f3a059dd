"""What was bought at the places of one level: every store, every country."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.sparse import Positions, SparseRows
from recsvc.core.vocabulary import MISSING, Arrays, Vocabulary


@dataclass(frozen=True, slots=True)
class Sales:
    """What one place has sold of some items, each number float32 of shape ``(n_items,)``."""

    _found: Positions
    _span: slice
    _level: "LevelStatistics"

    @property
    def items(self) -> NDArray[np.int32]:
        """The items, as they were asked for."""
        return self._found.wanted

    @property
    def counts(self) -> NDArray[np.float32]:
        """Purchases, decayed."""
        return self._found.read(self._level.counts.values[self._span])

    @property
    def n_purchases(self) -> NDArray[np.float32]:
        """All purchases, undecayed."""
        return self._found.read(self._level.n_purchases[self._span])

    @property
    def n_recent(self) -> NDArray[np.float32]:
        """Those of the last weeks of the data."""
        return self._found.read(self._level.n_recent[self._span])


@dataclass(frozen=True, slots=True)
class LevelStatistics:
    """Purchases at every place of one level.

    Attributes:
        keys: the places.
        counts: time-decayed purchases, places by products.
        n_purchases: float32, aligned with ``counts.values``: all purchases, undecayed.
        n_recent: float32, likewise: those of the last weeks of the data.
        totals: float32, shape ``(n_places,)``: decayed purchases of all products.
        sizes: float32, likewise: all of them, undecayed; summed when the level is made.
    """

    keys: Vocabulary
    counts: SparseRows
    n_purchases: NDArray[np.float32]
    n_recent: NDArray[np.float32]
    totals: NDArray[np.float32]
    sizes: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        before = np.concatenate([[0.0], np.cumsum(self.n_purchases, dtype=np.float64)])
        indptr = self.counts.indptr
        sizes = (before[indptr[1:]] - before[indptr[:-1]]).astype(np.float32)
        object.__setattr__(self, "sizes", sizes)

    def index(self, key: str) -> int:
        """Index of a place, :data:`MISSING` for one without any purchase."""
        return self.known(self.keys.index(key) if key else MISSING)

    def known(self, index: int) -> int:
        """``index`` if the place has any purchase, else :data:`MISSING`."""
        empty = index == MISSING or self.counts.indptr[index] == self.counts.indptr[index + 1]
        return MISSING if empty else index

    def sales(self, index: int, items: NDArray[np.int32]) -> Sales:
        """What a place has sold of ``items``."""
        span = slice(int(self.counts.indptr[index]), int(self.counts.indptr[index + 1]))
        return Sales(Positions.of(self.counts.indices[span], items), span, self)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            **self.keys.to_arrays(f"{prefix}.keys"),
            **self.counts.to_arrays(f"{prefix}.counts"),
            f"{prefix}.n_purchases": self.n_purchases,
            f"{prefix}.n_recent": self.n_recent,
            f"{prefix}.totals": self.totals,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`."""
        return cls(
            Vocabulary.from_arrays(arrays, f"{prefix}.keys"),
            SparseRows.from_arrays(arrays, f"{prefix}.counts"),
            np.asarray(arrays[f"{prefix}.n_purchases"], np.float32),
            np.asarray(arrays[f"{prefix}.n_recent"], np.float32),
            np.asarray(arrays[f"{prefix}.totals"], np.float32),
        )
