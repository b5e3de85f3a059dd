"""What is known of every product at night, for the features of the learnt ranker."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recsvc.core.vocabulary import Arrays


@dataclass(frozen=True, slots=True)
class ItemStatistics:
    """One number a product, float32 of shape ``(n_items,)`` unless said otherwise.

    Attributes:
        log_buyers: logarithm of 1 plus the number of customers who bought it.
        trend: logarithm of its share of late over its share before.
        age_days: since its first purchase, at the end of the data; 0 without times.
        repeat_rate: share of its buyers who bought it again, shrunk.
        interval_days: usual days until it is bought again, shrunk; 0 where nobody did.
        log_price: logarithm of its usual price, NaN unknown; empty if no price is known in all
            the data.
        position: shape ``(n_items, 3)``: unit vector from the centre of the earth to where
            it is usually bought, zeros unknown.
    """

    log_buyers: NDArray[np.float32]
    trend: NDArray[np.float32]
    age_days: NDArray[np.float32]
    repeat_rate: NDArray[np.float32]
    interval_days: NDArray[np.float32]
    log_price: NDArray[np.float32]
    position: NDArray[np.float32]

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {f"{prefix}.{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`."""
        return cls(
            *(np.asarray(arrays[f"{prefix}.{field.name}"], np.float32) for field in fields(cls))
        )
