"""What each stage of the journey asks of a list for a shopper.

======== =====================================================================================
DISCOVER what the shopper has never bought, mixed
CONSIDER alternatives to what is in view: products of its categories, no variants of it
CART     what goes into one basket with what is in it
CHECKOUT the same, at no more than what a product of the basket costs
POST_... what goes with what was bought, and nothing of its categories
======== =====================================================================================

Where a stage lacks what it is about (an empty basket, nothing in view), or leaves no product, the
list is for no stage in particular; where the prices or the categories alone leave none, it is for
the stage without that limit. Which it is the first page decides: no later one lists what the stage
left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.diversity import Diversity
from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.live import NO_ITEMS, Live
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
        allowed: bool, shape ``(n_items,)``: what may be on the list, on any page.
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
    assortment: Assortment
    statistics: ItemStatistics

    @property
    def basket(self) -> NDArray[np.int32]:
        """What is in the basket, however it came to be known."""
        return np.union1d(self.query.basket, self.live.basket).astype(np.int32)

    def of_kinds(self, items: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Bool, shape ``(n_items,)``: what is of a category of one of ``items``."""
        of_all = self.assortment.catalogue.category
        kinds = of_all[items]
        return np.isin(of_all, kinds[kinds != MISSING])

    def beside(self, basket: NDArray[np.int32], allowed: NDArray[np.bool_]) -> Staged:
        """What goes into a basket."""
        query = replace(self.query, basket=basket)
        is_known = bool(len(self.live.profile.purchased))
        return Staged(query, allowed, Task.TOGETHER if is_known else Task.TOGETHER_COLD)


def staged(
    query: Query,
    live: Live,
    allowed: NDArray[np.bool_],
    assortment: Assortment,
    statistics: ItemStatistics,
) -> Staged:
    """A question as its stage asks it.

    Args:
        query: the question.
        live: the shopper as of now.
        allowed: bool, shape ``(n_items,)``: what may be on a list, on any page.
        assortment: the products.
        statistics: numbers of the learnt products.
    """
    plain = Staged(query, allowed)
    make = _STAGES.get(query.stage)
    found = None if make is None else make(_Visit(query, live, allowed, assortment, statistics))
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
    allowed[visit.assortment.with_variants(in_view)] = False
    return Staged(visit.query, allowed)


def _cart(visit: _Visit) -> Staged | None:
    basket = visit.basket
    return visit.beside(basket, visit.allowed) if len(basket) else None


def _checkout(visit: _Visit) -> Staged | None:
    basket = visit.basket
    if not len(basket):
        return None
    prices = visit.statistics.log_price
    known = prices[basket[basket < len(prices)]]
    known = known[~np.isnan(known)]
    if not len(known):
        return visit.beside(basket, visit.allowed)
    # What is new, or has no price, is no small addition that anybody could vouch for.
    small = np.zeros(len(visit.allowed), np.bool_)
    small[: len(prices)] = prices <= np.median(known)
    allowed = visit.allowed & small
    return visit.beside(basket, allowed if allowed.any() else visit.allowed)


def _post_purchase(visit: _Visit) -> Staged | None:
    bought = _just_bought(visit)
    if not len(bought):
        return None
    allowed = visit.allowed.copy()
    allowed[visit.assortment.with_variants(bought)] = False
    beside = allowed & ~visit.of_kinds(bought)
    return visit.beside(bought, beside if beside.any() else allowed)


def _just_bought(visit: _Visit) -> NDArray[np.int32]:
    """What is said to be in the basket, else the products of the last order."""
    if len(visit.query.basket):
        return visit.query.basket
    learnt, new = visit.live.profile, visit.live.newcomers
    times = np.append(learnt.last_time, new.last_time)
    latest = int(times.max(initial=0))
    # Without times nobody knows which order was the last.
    if not latest or visit.query.now - latest > JUST_BOUGHT_DAYS * SECONDS_A_DAY:
        return NO_ITEMS
    bought: NDArray[np.int32] = np.append(learnt.items, new.items)[times == latest]
    return bought


_STAGES: Mapping[Stage, Callable[[_Visit], Staged | None]] = {
    Stage.DISCOVER: _discover,
    Stage.CONSIDER: _consider,
    Stage.CART: _cart,
    Stage.CHECKOUT: _checkout,
    Stage.POST_PURCHASE: _post_purchase,
}
