"""What one model answers: finished lists, in its indices."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recsvc.core.histories import Profile
from recsvc.core.live import NO_ITEMS
from recsvc.core.places import Place


@dataclass(frozen=True, slots=True)
class Ranking:
    """A finished list, in its order; all arrays have shape ``(n,)``.

    Attributes:
        items: int32, indices of the assortment, distinct.
        scores: float32, comparable within this list alone. They do not rise, except where rules
            move products or the list is varied, and on lists of what is needed again, whose order
            is that of the due times.
        strategies: int8, :class:`Strategy` that contributed most.
        levels: int8, finest :class:`Level` of the place that has sold the product.
        place: the place that the list is for.
        profile: the purchases that it was made from.
        stand_ins: int32, learnt items that the profile holds in place of newcomers that the
            shopper has looked at.
        undated: int32, items of the profile whose times are a guess, see :class:`Live`.
        is_placed: whether the place has shaped it.
        rules: for each product the ids of the shop's rules that moved it there; empty where none
            hold.
        picked: places, from 0, of the products that a rule alone put there.
        applied: ids of the rules that touched the list.
        basket: int32, learnt items of the basket, where that is what was asked about.
        is_last_resort: whether all of it should rest, as it was just bought or put into the basket,
            and is there because nothing else may be.
    """

    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    strategies: NDArray[np.int8]
    levels: NDArray[np.int8]
    place: Place
    profile: Profile
    stand_ins: NDArray[np.int32] = field(default_factory=lambda: NO_ITEMS)
    undated: NDArray[np.int32] = field(default_factory=lambda: NO_ITEMS)
    is_placed: bool = True
    rules: tuple[tuple[str, ...], ...] = ()
    picked: tuple[int, ...] = ()
    applied: tuple[str, ...] = ()
    basket: NDArray[np.int32] = field(default_factory=lambda: NO_ITEMS)
    is_last_resort: bool = False

    def where(self, positions: NDArray[np.intp]) -> "Ranking":
        """The products at these positions alone, in their order."""
        return replace(
            self,
            items=self.items[positions],
            scores=self.scores[positions],
            strategies=self.strategies[positions],
            levels=self.levels[positions],
        )


@dataclass(frozen=True, slots=True)
class BuyAgain:
    """What a shopper needs again; all arrays have shape ``(n,)``.

    Attributes:
        ranking: the products, the soonest due first.
        due_time: float64, when each is expected to be needed again, seconds since 1970.
        interval_seconds: float64, the usual time between two purchases of it.
        quantity: float64, how much of it is usually bought at once.
    """

    ranking: Ranking
    due_time: NDArray[np.float64]
    interval_seconds: NDArray[np.float64]
    quantity: NDArray[np.float64]
