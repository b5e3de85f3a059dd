"""What customers have bought, as the ranking needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsvc.core.vocabulary import MISSING, Arrays

Number = TypeVar("Number", np.float32, np.int32, np.int64)
SECONDS_A_DAY = 86_400.0
MOST_HALF_LIVES_BACK = 16.0
"""A caller may ask as of any year: a memory that is taken back further grows no more."""


@dataclass(frozen=True, slots=True)
class HalfLives:
    """How fast the memories of a profile fade.

    Attributes:
        short_days: half-life of the short memory, days.
        long_days: of the long one, which also weighs the interactions.
    """

    short_days: float
    long_days: float

    def short(self, age_seconds: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """What is left of a purchase of that age."""
        return _left(age_seconds, self.short_days)

    def long(self, age_seconds: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """The same in the long memory."""
        return _left(age_seconds, self.long_days)


def _left(age_seconds: NDArray[np.float64] | float, half_life_days: float) -> NDArray[np.float64]:
    half_lives = np.asarray(age_seconds) / (SECONDS_A_DAY * half_life_days)
    return np.exp2(-np.maximum(half_lives, -MOST_HALF_LIVES_BACK))


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
        usual_quantity: float32, shape ``(n,)``: how much is bought at once, the lower median of
            the purchases, which is always a quantity that was bought; 0 for what never was.
    """

    items: NDArray[np.int32]
    short: NDArray[np.float32]
    long: NDArray[np.float32]
    weight: NDArray[np.float32]
    n_purchases: NDArray[np.int32]
    first_time: NDArray[np.int64]
    last_time: NDArray[np.int64]
    usual_quantity: NDArray[np.float32]

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

    @property
    def bought_at_once(self) -> NDArray[np.float64]:
        """float64, shape ``(n,)``: the usual quantities, to be shown.

        .35 is .35 again, and not the .3499999940395355 that float32 keeps.
        """
        quantity = self.usual_quantity.astype(np.float64)
        is_part = quantity % 1 > 0
        if is_part.any():  # by way of text, which is slow
            quantity[is_part] = self.usual_quantity[is_part].astype(np.str_).astype(np.float64)
        return quantity

    def with_session(self, items: NDArray[np.int32]) -> "Profile":
        """This profile with a session's products added, each as one fresh interaction."""
        n = len(items)
        nothing, never = np.zeros(n, np.float32), np.zeros(n, np.int64)
        none, ones = np.zeros(n, np.int32), np.ones(n, np.float32)
        return self.merged(
            Profile(np.sort(items), nothing, nothing, ones, none, never, never, nothing)
        )

    def merged(self, other: "Profile") -> "Profile":
        """The purchases of both; ``other`` was decayed up to the same moment.

        Of a product in both, the usual quantity is that of the side with more purchases, else the
        lower: the lower median, as if each side had bought one quantity all the time.
        """
        if other.is_empty or self.is_empty:
            return self if other.is_empty else other
        both = np.concatenate([self.items, other.items])
        items, at = np.unique(both, return_inverse=True)
        mine, theirs = at[: len(self.items)], at[len(self.items) :]

        def placed(column: NDArray[Number]) -> NDArray[Number]:
            wide = np.zeros(len(items), column.dtype)
            wide[mine] = column
            return wide

        def summed(left: NDArray[Number], right: NDArray[Number]) -> NDArray[Number]:
            total = placed(left)
            total[theirs] += right
            return total

        first = np.full(len(items), _NEVER)
        first[mine] = _or_never(self.first_time)
        first[theirs] = np.minimum(first[theirs], _or_never(other.first_time))
        last = placed(self.last_time)
        last[theirs] = np.maximum(last[theirs], other.last_time)
        usual, n_purchases = placed(self.usual_quantity), placed(self.n_purchases)
        mine_there, more = usual[theirs], n_purchases[theirs] - other.n_purchases
        lower = np.minimum(mine_there, other.usual_quantity)
        known_better = np.where(more > 0, mine_there, other.usual_quantity)
        usual[theirs] = np.where(more == 0, lower, known_better)
        n_purchases[theirs] += other.n_purchases
        return Profile(
            items,
            summed(self.short, other.short),
            summed(self.long, other.long),
            summed(self.weight, other.weight),
            n_purchases,
            np.where(first == _NEVER, 0, first),
            last,
            usual,
        )

    def aged(self, seconds: float, half_lives: HalfLives) -> "Profile":
        """This profile as it is so much later (or earlier, where negative)."""
        if not seconds:
            return self
        short = np.float32(half_lives.short(seconds))
        long = np.float32(half_lives.long(seconds))
        return replace(
            self, short=self.short * short, long=self.long * long, weight=self.weight * long
        )

    def without_latest(
        self, items: NDArray[np.int32], now: float, half_lives: HalfLives
    ) -> "Profile":
        """This profile, as of ``now``, with the latest purchase of each of ``items`` undone.

        An item may be given several times. When the one before the latest was is not known: it
        is taken to be the usual interval earlier. Nor is its quantity: the usual one stays.
        """
        if not len(items) or self.is_empty:
            return self
        columns = [np.array(column) for column in self.columns()]
        own, short, long, weight, n_purchases, first, last, _ = columns
        for item in items.tolist():
            at = int(np.searchsorted(own, item))
            if at == len(own) or own[at] != item or not n_purchases[at]:
                continue
            # Without times nothing fades.
            age = now - float(last[at]) if last[at] else 0.0
            short[at] = max(0.0, short[at] - half_lives.short(age))
            remaining = max(0.0, long[at] - half_lives.long(age))
            # As if all of them had been of one quantity.
            weight[at] *= remaining / long[at] if long[at] else 0.0
            long[at] = remaining
            if n_purchases[at] > 1:
                last[at] -= (last[at] - first[at]) // (n_purchases[at] - 1)
            n_purchases[at] -= 1
        bought = (n_purchases > 0) | (self.n_purchases == 0)
        return Profile(*(column[bought] for column in columns))

    def where(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> "Profile":
        """Those products alone."""
        return Profile(
            self.items[mask],
            self.short[mask],
            self.long[mask],
            self.weight[mask],
            self.n_purchases[mask],
            self.first_time[mask],
            self.last_time[mask],
            self.usual_quantity[mask],
        )

    def columns(self) -> tuple[NDArray[np.generic], ...]:
        """All arrays, in the order in which the constructor takes them."""
        return (
            self.items,
            self.short,
            self.long,
            self.weight,
            self.n_purchases,
            self.first_time,
            self.last_time,
            self.usual_quantity,
        )


_NEVER = np.iinfo(np.int64).max


def _or_never(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """``times`` with 0, of what was never bought, as the latest of all."""
    return np.where(times == 0, _NEVER, times)


NO_HISTORY = Profile(
    np.zeros(0, np.int32),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.int32),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
    np.zeros(0, np.float32),
)


@dataclass(frozen=True, slots=True)
class Histories:
    """All customers' profiles, and where each is at home.

    Attributes:
        indptr: int64, shape ``(n_customers + 1,)``.
        items, short, long, weight, n_purchases, first_time, last_time, usual_quantity: the
            columns of :class:`Profile`, all customers' one after another.
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
    usual_quantity: NDArray[np.float32]
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
            self.usual_quantity[span],
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
            self.usual_quantity,
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
            f"{prefix}.usual_quantity": self.usual_quantity,
            f"{prefix}.homes": self.homes,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, prefix: str) -> Self:
        """The inverse of :meth:`to_arrays`; artifacts of old know no quantities: each is 1."""
        items = np.asarray(arrays[f"{prefix}.items"], np.int32)
        ones = np.broadcast_to(np.float32(1), items.shape)  # takes no memory
        return cls(
            np.asarray(arrays[f"{prefix}.indptr"], np.int64),
            items,
            np.asarray(arrays[f"{prefix}.short"], np.float32),
            np.asarray(arrays[f"{prefix}.long"], np.float32),
            np.asarray(arrays[f"{prefix}.weight"], np.float32),
            np.asarray(arrays[f"{prefix}.n_purchases"], np.int32),
            np.asarray(arrays[f"{prefix}.first_time"], np.int64),
            np.asarray(arrays[f"{prefix}.last_time"], np.int64),
            np.asarray(arrays.get(f"{prefix}.usual_quantity", ones), np.float32),
            np.asarray(arrays[f"{prefix}.homes"], np.int32),
        )
