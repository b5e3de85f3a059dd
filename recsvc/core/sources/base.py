"""What every candidate source is: it proposes products for a shopper and scores any product.

A source is small and knows nothing of the others; the ranking weighs their scores.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import Profile
from recsvc.core.level_statistics import Sales
from recsvc.core.owned import Owned
from recsvc.core.places import Level, Place, Places, SalesAt
from recsvc.core.vocabulary import MISSING

Items = NDArray[np.int32]
Scores = NDArray[np.float32]
Kept = TypeVar("Kept")


class Strategy(IntEnum):
    """Which knowledge put a product on a list."""

    COLLABORATIVE = 1
    SIMILAR = 2
    BOUGHT_TOGETHER = 3
    BUY_AGAIN = 4
    POPULAR_NEARBY = 5
    POPULAR = 6


class Memory(StrEnum):
    """How a source weighs what the shopper has bought.

    A source must read a profile as it was fitted, or its scores mean nothing.
    """

    SHORT = "short"
    LONG = "long"
    WEIGHT = "weight"
    CONFIDENCE = "confidence"
    PRESENCE = "presence"

    def of(self, profile: Profile) -> Scores:
        """float32, shape ``(len(profile.items),)``."""
        if self is Memory.CONFIDENCE:
            return profile.confidence
        if self is Memory.PRESENCE:
            return np.ones(len(profile.items), np.float32)
        columns = {
            Memory.SHORT: profile.short,
            Memory.LONG: profile.long,
            Memory.WEIGHT: profile.weight,
        }
        return columns[self]


@dataclass(slots=True)
class Moment:
    """One call as the sources see it: who, where, and what may be shown.

    Attributes:
        profile: what the shopper has bought, this session included.
        place: where the shopper is.
        allowed: bool, shape ``(n_items,)``: what may be on the list.
        customer: customer index, :data:`MISSING` for one that the model does not know.
        only_new: whether what the shopper has bought is left out.
        now: the moment that recency is measured at, seconds since 1970, UTC; the profile was
            decayed up to it.
        basket: int32, ascending: learnt items of the basket, where that is what is asked about.
    """

    profile: Profile
    place: Place
    allowed: NDArray[np.bool_]
    now: float
    customer: int = MISSING
    only_new: bool = False
    basket: Items = field(default_factory=lambda: np.zeros(0, np.int32))
    # Dense scores cost far more than reading them off: a source computes its own once,
    # for proposing and for scoring.
    _dense: dict[str, Any] = field(default_factory=dict)
    # Sources and features ask about the same candidates; an array that was asked about is not
    # changed, so that it is known again by being the same one.
    _owned: Owned | None = field(default=None, init=False, repr=False, compare=False)
    _sales: dict[tuple[Level, int], Sales] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def dense(self, name: str, compute: Callable[[], Kept]) -> Kept:
        """Scores of all products under ``name``, computed at the first use."""
        if name not in self._dense:
            self._dense[name] = compute()
        kept: Kept = self._dense[name]
        return kept

    def keep(self, name: str, scores: object) -> None:
        """Scores that were computed with those of other moments: what :meth:`dense` gives."""
        self._dense[name] = scores

    def is_alike(self, other: "Moment") -> bool:
        """Whether the dense scores of both are the same: they ask for one shopper, as of one time.

        A profile is not changed, so that it is known again by being the same one.
        """
        is_one = self.profile is other.profile and self.customer == other.customer
        return is_one and not len(self.basket) and not len(other.basket)

    def share(self, other: "Moment") -> None:
        """Have one set of dense scores with a moment that is alike."""
        self._dense = other._dense  # noqa: SLF001  # of the same class

    def owned(self, items: Items) -> Owned:
        """What the shopper has bought of ``items``, looked up once for all who ask."""
        if self._owned is None or self._owned.items is not items:
            self._owned = Owned(self.profile, items, self.now)
        return self._owned

    def sales(self, places: Places) -> SalesAt:
        """What places have sold of some items, looked up once for all who ask."""

        def sales_at(level: Level, index: int, items: Items) -> Sales:
            known = self._sales.get((level, index))
            if known is None or known.items is not items:
                known = self._sales[level, index] = places.sales(level, index, items)
            return known

        return sales_at


class Source(Protocol):
    """What every source can do. All of it is deterministic and free of side effects."""

    @property
    def name(self) -> str:
        """Which source it is; no other of a model has the same."""

    @property
    def features(self) -> Mapping[str, Strategy]:
        """Names of the scores it gives, and the strategy that each stands for."""

    def propose(self, moment: Moment, limit: int) -> Items:
        """Allowed products, distinct, in no order; at most ``limit`` (a level, if by place)."""

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """One array a feature, each float32 of shape ``(len(items),)``; larger is better."""

    def to_arrays(self, prefix: str) -> Mapping[str, NDArray[np.generic]]:
        """Named arrays for an artifact."""

    def to_parameters(self) -> dict[str, Any]:
        """What is not an array, as JSON."""


@runtime_checkable
class Shared(Protocol):
    """A source that computes dense scores for several moments in less than for each alone."""

    def share(self, moments: Sequence[Moment]) -> None:
        """Compute them where ``Moment.dense`` finds them: the same that it would compute."""


@runtime_checkable
class Explainable(Protocol):
    """A source that can say which of the shopper's own products speaks for another."""

    def contributions(self, profile: Profile, items: Items) -> Scores:
        """What each product of the profile adds to the scores of ``items``.

        float32, shape ``(len(items), len(profile.items))``; a row adds up to the score.
        """
