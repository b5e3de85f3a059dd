"""What was bought at the places of one level: every store, every country."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.sparse import SparseRows, gather
from recsvc.core.vocabulary import MISSING, Arrays, Vocabulary


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

    def purchases(self, index: int, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """float32, shape ``(len(items),)``: purchases of all time at a place."""
        rows, _ = self.counts.row(index)
        return gather(rows, self.n_purchases[self._span(index)], items)

    def recent(self, index: int, items: NDArray[np.int32]) -> NDArray[np.float32]:
        """The same of the last weeks of the data."""
        rows, _ = self.counts.row(index)
        return gather(rows, self.n_recent[self._span(index)], items)

    def _span(self, index: int) -> slice:
        return slice(int(self.counts.indptr[index]), int(self.counts.indptr[index + 1]))

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
