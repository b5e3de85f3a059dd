"""A live profile in the terms of one model."""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from recsvc.core.live import NO_ACTS, Act, Acts
from recsvc.core.places import Location
from recsvc.core.vocabulary import Vocabulary
from recsvc.service.models import LearntUntil
from recsvc.service.shopping import Deed, LiveProfile, spread

N_VISITS, MIN_VISITS = 5, 3
"""Of so many last visits so many at one place make it a customer's home: people move."""


def acts_of(
    live: LiveProfile,
    items: Vocabulary,
    learnt: LearntUntil | None,
    partition: int,
    latest: float,
) -> Acts:
    """What a shopper did of late, in a model's indices.

    Args:
        live: what was done.
        items: the model's products.
        learnt: what the model has learnt from; None of a shopper whom it does not know.
        partition: of the shopper.
        latest: no act is later, unix seconds: one that is counts as of then.
    """
    deeds = live.deeds
    if not deeds:
        return NO_ACTS
    return Acts(
        np.array([items.index(product) for deed in deeds for product in deed.products], np.int32),
        spread(deeds, (deed.act for deed in deeds)).astype(np.int8),
        spread(deeds, (min(deed.time, latest) for deed in deeds)).astype(np.int64),
        np.array([quantity for deed in deeds for quantity in deed.quantities]),
        spread(deeds, (deed.order for deed in deeds)).astype(np.int64),
        spread(deeds, (deed.rating for deed in deeds)).astype(np.float32),
        spread(deeds, _learnt(deeds, learnt, partition)).astype(np.bool_),
    )


def _learnt(deeds: Iterable[Deed], learnt: LearntUntil | None, partition: int) -> Iterator[bool]:
    for deed in deeds:
        yield False if learnt is None else learnt.has(deed, partition)


def live_home(live: LiveProfile, now: float, *, is_known: bool) -> Location | None:
    """Where a customer shops of late; None where nothing speaks for another home.

    Args:
        live: what the customer did.
        now: unix seconds; later visits have not happened yet.
        is_known: whether the model knows a home: it takes several visits to leave that.
    """
    orders: dict[int, Location] = {}
    for deed in sorted(live.deeds, key=lambda deed: deed.time):  # some come late
        if deed.act is Act.PURCHASE and deed.location and deed.time <= now:
            orders[deed.order or deed.time] = deed.location
    if not orders:
        return None
    visits = Counter(list(orders.values())[-N_VISITS:])
    home, n_visits = visits.most_common(1)[0]
    return home if n_visits >= (MIN_VISITS if is_known else 1) else None
