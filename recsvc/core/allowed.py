"""Which products may be on a list at all."""

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.live import Live
from recsvc.core.query import Query
from recsvc.core.rest import resting


def allowed_by(
    query: Query, live: Live, statistics: ItemStatistics, assortment: Assortment
) -> NDArray[np.bool_]:
    """Bool, shape ``(n_items,)``: what the rules, the shopper and the caller leave, on any page."""
    sold_at = query.now if query.sold_at is None else query.sold_at
    shelf = query.shelf
    allowed = assortment.available(sold_at)
    if query.catalogue_filter:
        allowed &= assortment.index.matching(query.catalogue_filter, shelf)
    for exclusion in query.ruling.exclusions:
        allowed[exclusion.items] = False
    allowed[query.ruling.unreminded] = False
    if query.in_stock_only:
        allowed &= np.False_ if shelf is None else shelf.in_stock
    allowed[query.excluded] = False
    # Who has one in the basket is not after the same in another size.
    allowed[assortment.with_variants(np.append(query.basket, live.basket))] = False
    allowed[live.disliked] = False
    # Nothing tells when a newcomer is needed again: it waits until the model knows it.
    allowed[live.newcomers.items] = False
    if len(query.acts):
        allowed[resting(live.profile, query.acts, statistics, query.now)] = False
    if query.only_new:
        allowed[live.profile.purchased] = False
    return allowed


def on_this_page(
    allowed: NDArray[np.bool_], query: Query, assortment: Assortment
) -> NDArray[np.bool_]:
    """What of ``allowed`` the pages before have not shown, nor a variant of it."""
    if not len(query.shown):
        return allowed
    left = allowed.copy()
    left[assortment.with_variants(query.shown)] = False
    return left
