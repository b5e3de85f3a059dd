"""What each stage of the journey asks of a list for a shopper.

======== =====================================================================================
DISCOVER what the shopper has never bought, mixed
CONSIDER alternatives to what is in view: products of its categories, and not itself
CART     what goes into one basket with what is in it
CHECKOUT the same, at no more than what a product of the basket costs
POST_... what goes with what was bought, and nothing of its categories
======== =====================================================================================

Where a stage lacks what it is about (an empty basket, nothing in view), or leaves no product, the
list is for no stage in particular.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsvc.core.diversity import Diversity
from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.live import NO_ITEMS, Act, Live
from recsvc.core.query import Query
from recsvc.core.ranking import Task
from recsvc.core.stages import Stage
from recsvc.core.vocabulary import MISSING

JUST_BOUGHT_DAYS = 7.0
"""An order older than this is over: who comes to the thank-you page has bought just now."""

_LITTLE_MIXED = frozenset({Diversity.NONE, Diversity.LOW})


@dataclass(frozen=True, slots=True)
class Staged:
    """A question as its stage asks it.

    Attributes:
        query: the question.
        allowed: bool, shape ``(n_items,)``: what may be on the list.
        task: what is asked for; ``None`` is what suits the shopper.
    """

    query: Query
    allowed: NDArray[np.bool_]
    task: Task | None = None


@dataclass(frozen=True, slots=True)
class _Visit:
    """All that a stage may look at."""

    query: Query
    live: Live
    allowed: NDArray[np.bool_]
    kinds: NDArray[np.int32]
    statistics: ItemStatistics

    @property
    def basket(self) -> NDArray[np.int32]:
        """What is in the basket, however it came to be known."""
        return np.union1d(self.query.basket, self.live.basket).astype(np.int32)

    def of_kinds(self, items: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Bool, shape ``(n_items,)``: what is of a category of one of ``items``."""
        kinds = self.kinds[items]
        return np.isin(self.kinds, kinds[kinds != MISSING])

    def beside(self, query: Query, allowed: NDArray[np.bool_]) -> Staged:
        """What goes into a basket."""
        is_known = bool(len(self.live.profile.purchased))
        return Staged(query, allowed, Task.TOGETHER if is_known else Task.TOGETHER_COLD)


def staged(
    query: Query,
    live: Live,
    allowed: NDArray[np.bool_],
    kinds: NDArray[np.int32],
    statistics: ItemStatistics,
) -> Staged:
    """A question as its stage asks it.

    Args:
        query: the question.
        live: the shopper as of now.
        allowed: bool, shape ``(n_items,)``: what may be on a list.
        kinds: int32, shape ``(n_items,)``: category of each product, MISSING unknown.
        statistics: numbers of the learnt products.
    """
    plain = Staged(query, allowed)
    make = _STAGES.get(query.stage)
    found = None if make is None else make(_Visit(query, live, allowed, kinds, statistics))
    return plain if found is None or not found.allowed.any() else found


def _discover(visit: _Visit) -> Staged:
    allowed = visit.allowed.copy()
    allowed[visit.live.profile.purchased] = False
    is_mixed = visit.query.diversity not in _LITTLE_MIXED
    diversity = visit.query.diversity if is_mixed else Diversity.MEDIUM
    return Staged(replace(visit.query, only_new=True, diversity=diversity), allowed)


def _consider(visit: _Visit) -> Staged | None:
    in_view = visit.query.session if len(visit.query.session) else visit.live.session
    allowed = visit.allowed & visit.of_kinds(in_view)
    allowed[in_view] = False
    return Staged(visit.query, allowed)


def _cart(visit: _Visit) -> Staged | None:
    return visit.beside(visit.query, visit.allowed) if len(visit.basket) else None


def _checkout(visit: _Visit) -> Staged | None:
    basket = visit.basket
    if not len(basket):
        return None
    prices = visit.statistics.log_price
    basket = basket[basket < len(prices)]
    known = prices[basket][~np.isnan(prices[basket])]
    if not len(known):
        return visit.beside(visit.query, visit.allowed)
    # What is new, or has no price, is no small addition that anybody could vouch for.
    small = np.zeros(len(visit.allowed), np.bool_)
    small[: len(prices)] = prices <= np.median(known)
    allowed = visit.allowed & small
    return visit.beside(visit.query, allowed if allowed.any() else visit.allowed)


def _post_purchase(visit: _Visit) -> Staged | None:
    bought = _just_bought(visit)
    if not len(bought):
        return None
    allowed = visit.allowed.copy()
    allowed[bought] = False
    beside = allowed & ~visit.of_kinds(bought)
    query = replace(visit.query, basket=bought)
    return visit.beside(query, beside if beside.any() else allowed)


def _just_bought(visit: _Visit) -> NDArray[np.int32]:
    """What is said to be in the basket, else the products of the last order."""
    if len(visit.query.basket):
        return visit.query.basket
    acts, now = visit.query.acts, visit.query.now
    bought = acts.where(
        (acts.kinds == Act.PURCHASE) & (acts.items != MISSING) & (acts.times <= now)
    )
    if len(bought):
        return np.unique(bought.items[bought.times == bought.times.max()]).astype(np.int32)
    profile = visit.live.profile
    latest = int(profile.last_time.max(initial=0))
    if not latest or now - latest > JUST_BOUGHT_DAYS * SECONDS_A_DAY:
        return NO_ITEMS
    own: NDArray[np.int32] = profile.items[profile.last_time == latest]
    return own


_STAGES: Mapping[Stage, Callable[[_Visit], Staged | None]] = {
    Stage.DISCOVER: _discover,
    Stage.CONSIDER: _consider,
    Stage.CART: _cart,
    Stage.CHECKOUT: _checkout,
    Stage.POST_PURCHASE: _post_purchase,
}
