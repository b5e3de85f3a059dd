"""Candidate sources: each proposes products for a shopper and scores any product.

A source is small and knows nothing of the others; ranking.py blends their scores.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recsvc.core.factors import Factors
from recsvc.core.histories import Profile
from recsvc.core.places import PLACE_LEVELS, Place, Places
from recsvc.core.sparse import SparseRows, distinct, gather, top
from recsvc.core.vocabulary import MISSING

Items = NDArray[np.int32]
Scores = NDArray[np.float32]


class Strategy(IntEnum):
    """Which knowledge put a product on a list."""

    COLLABORATIVE = 1
    SIMILAR = 2
    BOUGHT_TOGETHER = 3
    BUY_AGAIN = 4
    POPULAR_NEARBY = 5
    POPULAR = 6


@dataclass(slots=True)
class Moment:
    """One call as the sources see it: who, where, and what may be shown.

    Attributes:
        profile: what the shopper has bought, this session included.
        place: where the shopper is.
        allowed: bool, shape ``(n_items,)``: what may be on the list.
    """

    profile: Profile
    place: Place
    allowed: NDArray[np.bool_]
    # Dense scores cost far more than reading them off: a source computes its own once,
    # for proposing and for scoring.
    _dense: dict[str, Scores] = field(default_factory=dict)

    def dense(self, name: str, compute: Callable[[], Scores]) -> Scores:
        """Scores of all products under ``name``, computed at the first use."""
        if name not in self._dense:
            self._dense[name] = compute()
        return self._dense[name]


class Source(Protocol):
    """What every source can do. All of it is deterministic and free of side effects."""

    @property
    def features(self) -> Mapping[str, Strategy]:
        """Names of the scores it gives, and the strategy that each stands for."""

    def propose(self, moment: Moment, limit: int) -> Items:
        """Allowed products, distinct, in no order; at most ``limit`` (a level, if by place)."""

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """One array a feature, each float32 of shape ``(len(items),)``; larger is better."""


@dataclass(frozen=True, slots=True)
class OwnPurchases:
    """The shopper's own repeat purchases, with a short and a long memory."""

    features: Mapping[str, Strategy] = field(
        default_factory=lambda: {
            "own_short": Strategy.BUY_AGAIN,
            "own_long": Strategy.BUY_AGAIN,
        }
    )

    def propose(self, moment: Moment, limit: int) -> Items:
        """The most frequent of late."""
        profile = moment.profile
        return profile.items[top(profile.long, limit, moment.allowed[profile.items])]

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """Decayed purchases of each product."""
        profile = moment.profile
        return [
            gather(profile.items, profile.short, items),
            gather(profile.items, profile.long, items),
        ]


@dataclass(frozen=True, slots=True)
class Collaborative:
    """What customers with like purchases buy, through matrix factors."""

    factors: Factors
    features: Mapping[str, Strategy] = field(
        default_factory=lambda: {"collaborative": Strategy.COLLABORATIVE}
    )

    def propose(self, moment: Moment, limit: int) -> Items:
        """The largest products of user and item factors."""
        return top(self._scores(moment), limit, moment.allowed)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """The product of user and item factors."""
        return [self._scores(moment)[items]]

    def _scores(self, moment: Moment) -> Scores:
        def compute() -> Scores:
            if moment.profile.is_empty:  # nothing to multiply with
                return np.zeros(len(self.factors.items), np.float32)
            scores: Scores = self.factors.items @ self.factors.user(moment.profile)
            return scores

        return moment.dense("collaborative", compute)


N_OWN = 100
"""Of a shopper's products the neighbours of the weightiest are looked up: a household of
500 costs four times as much, and its lists are no better (nDCG@10 of new groceries .0459
with 100, .0457 with all)."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Products bought by the buyers of the shopper's own products.

    Attributes:
        similarity: products by products, without the diagonal.
    """

    similarity: SparseRows
    features: Mapping[str, Strategy] = field(
        default_factory=lambda: {"neighbours": Strategy.SIMILAR}
    )

    def propose(self, moment: Moment, limit: int) -> Items:
        """The nearest to the shopper's purchases of late."""
        return top(self._scores(moment), limit, moment.allowed)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """Similarity to each own product, weighted by how often and how lately."""
        return [self._scores(moment)[items]]

    def contributions(self, profile: Profile, items: Items) -> Scores:
        """What each product of the profile adds to the scores of ``items``.

        float32, shape ``(len(items), len(profile.items))``; a row adds up to the score.
        """
        terms = np.zeros((len(items), len(profile.items)), np.float32)
        for own in top(profile.weight, N_OWN).tolist():
            similarity = self.similarity.at(int(profile.items[own]), items)
            terms[:, own] = similarity * profile.weight[own]
        return terms

    def _scores(self, moment: Moment) -> Scores:
        profile = moment.profile

        def compute() -> Scores:
            own = top(profile.weight, N_OWN)
            return self.similarity.weighted_sum(
                profile.items[own], profile.weight[own], len(self.similarity)
            )

        return moment.dense("neighbours", compute)


@dataclass(frozen=True, slots=True)
class Popularity:
    """What everybody has bought of late.

    Attributes:
        log_shares: float32, shape ``(n_items,)``: logarithm of each product's share.
        order: int32, shape ``(n_items,)``: products by falling share; the order that
            also breaks ties and fills lists up, so that no list is ever empty.
    """

    log_shares: Scores
    order: Items
    features: Mapping[str, Strategy] = field(
        default_factory=lambda: {"popularity": Strategy.POPULAR}
    )

    def propose(self, moment: Moment, limit: int) -> Items:
        """The most bought."""
        # Most products are allowed: the head of the order nearly always suffices.
        head = self.order[: 4 * limit]
        found = head[moment.allowed[head]]
        if len(found) < limit:
            found = self.order[moment.allowed[self.order]]
        return found[:limit]

    def score(self, moment: Moment, items: Items) -> list[Scores]:  # noqa: ARG002  # the protocol's
        """Logarithm of the share."""
        return [self.log_shares[items]]


@dataclass(frozen=True, slots=True)
class PopularityByPlace:
    """What is bought here, in itself and against everywhere."""

    places: Places
    features: Mapping[str, Strategy] = field(
        default_factory=lambda: {
            "place": Strategy.POPULAR_NEARBY,
            "place_lift": Strategy.POPULAR_NEARBY,
        }
    )

    def propose(self, moment: Moment, limit: int) -> Items:
        """The most bought at the finest level that has enough products to say so."""
        found: list[Items] = []
        for level in PLACE_LEVELS:
            index = moment.place.indices[level]
            if index == MISSING:
                continue
            items, counts = self.places.levels[level].counts.row(index)
            found.append(items[top(counts, limit, moment.allowed[items])])
            if len(found[-1]) == limit:
                break
        return distinct(found) if found else np.zeros(0, np.int32)

    def score(self, moment: Moment, items: Items) -> list[Scores]:
        """Logarithms of the share here and of its ratio to the share everywhere."""
        here = np.log(self.places.shares_at(moment.place, items))
        return [here, here - np.log(self.places.shares[items])]
