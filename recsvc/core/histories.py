"""What customers have bought, as the ranking needs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsvc.core.vocabulary import MISSING, Arrays

Whole = TypeVar("Whole", np.int32, np.int64)


@dataclass(frozen=True, slots=True)
class Profile:
    """One customer's purchases, one entry a product.

    Attributes:
        items: int32, shape ``(n,)``, ascending and distinct.
        short: float32, shape ``(n,)``: purchases decayed with the short half-life.
        long: float32, shape ``(n,)``: purchases decayed with the long half-life.
        weight: float32, shape ``(n,)``: interaction weight, purchases decayed with the long
            half-life and weighed by quantity; what the factors were fitted on.
        n_purchases: int32, shape ``(n,)``: how often it was bought; 0 for what was only
            looked at or put into the basket in this session.
        first_time, last_time: int64, shape ``(n,)``: first and last purchase, seconds since
            1970, UTC.
    """

    items: NDArray[np.int32]
    short: NDArray[np.float32]
    long: NDArray[np.float32]
    weight: NDArray[np.float32]
    n_purchases: NDArray[np.int32]
    first_time: NDArray[np.int64]
    last_time: NDArray[np.int64]

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is known."""
        return not len(self.items)

    @property
    def purchased(self) -> NDArray[np.int32]:
        """Items that were bought, not merely seen in this session."""
        return self.items[self.n_purchases > 0]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """float32, shape ``(n,)``: the weights on the scale that the factors were fitted on.

        The logarithm tames the hundredth carton of milk, which says little more about
        taste than the tenth.
        """
        return np.log1p(self.weight)

    def with_session(self, items: NDArray[np.int32]) -> "Profile":
        """This profile with a session's products added, each as one fresh interaction."""
        if not len(items):
            return self
        fresh = np.setdiff1d(items, self.items).astype(np.int32)
        merged = np.concatenate([self.items, fresh])
        order = np.argsort(merged, kind="stable")
        seen = np.isin(self.items, items)

        def column(known: NDArray[np.float32], new: float = 0.0) -> NDArray[np.float32]:
            return np.concatenate([known, np.full(len(fresh), new, np.float32)])[order]

        def padded(known: NDArray[Whole]) -> NDArray[Whole]:
            return np.concatenate([known, np.zeros(len(fresh), known.dtype)])[order]

        return Profile(
            merged[order],
            column(self.short),
            column(self.long),
            column(self.weight + seen, 1.0),
            padded(self.n_purchases),
            padded(self.first_time),
            padded(self.last_time),
        )


NO_HISTORY = Profile(
    np.zeros(0, np.int32),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.int32),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
)


@dataclass(frozen=True, slots=True)
class Histories:
    """All customers' profiles, and where each is at home.

    Attributes:
        indptr: int64, shape ``(n_customers + 1,)``.
        items, short, long, weight, n_purchases, first_time, last_time: the columns of
            :class:`Profile`, all customers' one after another.
        homes: int32, shape ``(n_customers, 5)``: index of the home place at every level
            of place, :data:`MISSING` where unknown.
    """

    indptr: NDArray[np.int64]
    items: NDArray[np.int32]
    short: NDArray[np.float32]
    long: NDArray[np.float32]
    weight: NDArray[np.float32]
    n_purchases: NDArray[np.int32]
    first_time: NDArray[np.int64]
    last_time: NDArray[np.int64]
    homes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def profile(self, customer: int) -> Profile:
        """The profile of a customer index; empty for :data:`MISSING`."""
        if customer == MISSING:
            return NO_HISTORY
        span = slice(int(self.indptr[customer]), int(self.indptr[customer + 1]))
        return Profile(
            self.items[span],
            self.short[span],
            self.long[span],
            self.weight[span],
            self.n_purchases[span],
            self.first_time[span],
            self.last_time[span],
        )

    def everything(self) -> Profile:
        """All customers' rows as one long profile, for who reads columns."""
        return Profile(
            self.items,
            self.short,
            self.long,
            self.weight,
            self.n_purchases,
            self.first_time,
            self.last_time,
        )

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""
        return {
            f"{prefix}.indptr": self.indptr,
            f"{prefix}.items": self.items,
            f"{prefix}.short": self.short,
            f"{prefix}.long": self.long,
            f"{prefix}.weight": self.weight,
            f"{prefix}.n_purchases": self.n_purchases,
            f"{prefix}.first_time": self.first_time,
            f"{prefix}.last_time": self.last_time,
            f"{prefix}.homes": self.homes,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`."""
        return cls(
            np.asarray(arrays[f"{prefix}.indptr"], np.int64),
            np.asarray(arrays[f"{prefix}.items"], np.int32),
            np.asarray(arrays[f"{prefix}.short"], np.float32),
            np.asarray(arrays[f"{prefix}.long"], np.float32),
            np.asarray(arrays[f"{prefix}.weight"], np.float32),
            np.asarray(arrays[f"{prefix}.n_purchases"], np.int32),
            np.asarray(arrays[f"{prefix}.first_time"], np.int64),
            np.asarray(arrays[f"{prefix}.last_time"], np.int64),
            np.asarray(arrays[f"{prefix}.homes"], np.int32),
        )
