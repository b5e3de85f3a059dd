"""Groups of customers that rules may be about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.conditions import ANONYMOUS
from recsvc.core.vocabulary import MISSING, Arrays, Vocabulary

_NOBODY = frozenset({ANONYMOUS})


@dataclass(frozen=True, slots=True)
class Segments:
    """The segments of all customers, by customer index.

    Attributes:
        names: of the segments.
        indptr: int64, shape ``(n_customers + 1,)``.
        codes: int32: the segments of customer ``i`` are ``codes[indptr[i]:indptr[i + 1]]``.
    """

    names: Vocabulary
    indptr: NDArray[np.int64]
    codes: NDArray[np.int32]

    @classmethod
    def none(cls) -> Self:
        """No customer is in any."""
        return cls(Vocabulary.from_ids([]), np.zeros(1, np.int64), np.zeros(0, np.int32))

    @classmethod
    def of_names(cls, segments: Sequence[Sequence[str]]) -> Self:
        """Take the segments of all customers, in the order of their indices."""
        names = Vocabulary.from_ids(sorted({name for own in segments for name in own}))
        codes = [names.index(name) for own in segments for name in own]
        indptr = np.zeros(len(segments) + 1, np.int64)
        np.cumsum([len(own) for own in segments], out=indptr[1:])
        return cls(names, indptr, np.array(codes, np.int32))

    def of(self, customer: int) -> frozenset[str]:
        """Names of a customer's segments; who is not known is in :data:`ANONYMOUS` alone."""
        if customer == MISSING:
            return _NOBODY
        if customer + 1 >= len(self.indptr):
            return frozenset()
        own = self.codes[self.indptr[customer] : self.indptr[customer + 1]]
        return frozenset(self.names.ids.take(own.tolist()))

    def to_arrays(self, prefix: str) -> dict[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            **self.names.to_arrays(f"{prefix}.names"),
            f"{prefix}.indptr": self.indptr,
            f"{prefix}.codes": self.codes,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`; artifacts of old have none."""
        if f"{prefix}.indptr" not in arrays:
            return cls.none()
        return cls(
            Vocabulary.from_arrays(arrays, f"{prefix}.names"),
            np.asarray(arrays[f"{prefix}.indptr"], np.int64),
            np.asarray(arrays[f"{prefix}.codes"], np.int32),
        )
