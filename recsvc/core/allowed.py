"""Which products may be on a list at all."""

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.live import Act, Acts, Live
from recsvc.core.query import Query
from recsvc.core.rest import resting


def allowed_by(
    query: Query, live: Live, statistics: ItemStatistics, assortment: Assortment
) -> NDArray[np.bool_]:
    """Bool, shape ``(n_items,)``: what the rules, the shopper and the caller leave."""
    sold_at = query.now if query.sold_at is None else query.sold_at
    shelf = query.shelf
    allowed = assortment.available(sold_at)
    if query.catalogue_filter:
        allowed &= assortment.index.matching(query.catalogue_filter, shelf)
    for exclusion in query.ruling.exclusions:
        allowed[exclusion.items] = False
    if query.in_stock_only:
        allowed &= np.False_ if shelf is None else shelf.in_stock
    allowed[query.excluded] = False
    allowed[assortment.with_variants(query.shown)] = False
    allowed[query.basket] = False
    allowed[live.basket] = False
    allowed[live.disliked] = False
    acts = query.acts
    if len(acts):
        allowed[resting(live.profile, acts, statistics, query.now)] = False
        # Nothing tells when a newcomer is needed again: it waits until the model knows it.
        allowed[newcomers_bought(acts, assortment.n_learnt, query.now)] = False
    if query.only_new:
        allowed[live.profile.purchased] = False
    return allowed


def newcomers_bought(acts: Acts, n_learnt: int, now: float) -> NDArray[np.int32]:
    """Items that are new to the model, and that the shopper has bought and kept."""
    signs = np.select([acts.kinds == Act.PURCHASE, acts.kinds == Act.RETURN], [1.0, -1.0])
    counts = (acts.items >= n_learnt) & (acts.times <= now) & (signs != 0)
    items, at = np.unique(acts.items[counts], return_inverse=True)
    left = np.bincount(at, (signs * acts.quantities)[counts], len(items))
    return items[left > 0]
