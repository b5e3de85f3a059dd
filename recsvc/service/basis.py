"""What a list was made from beside its question: what a call leaves for the log of served lists."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment, Shelf
from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.live import NO_ITEMS
from recsvc.service.models import LoadedModel
from recsvc.service.questions import Answer
from recsvc.service.shopping import LiveProfile
from recsvc.service.situations import Situation


class Basis(NamedTuple):
    """What a list was made from beside its question, as the request path has it at hand.

    Give its fields by name.

    Attributes:
        made_time: unix seconds.
        product_ids: gives the list.
        live: gives what the shopper had done.
        scores: gives those of each; empty where nobody knows them any more.
        shelf: what was there at the store, None where nobody has said, or nobody asked.
        in_stock_only: whether what was not there was left out.
        withdrawn: item indices of what was recalled.
        shown: item indices of the pages before.
        about: as of :class:`ServedList`.
    """

    made_time: float
    product_ids: Callable[[], Sequence[str]]
    live: Callable[[], LiveProfile]
    scores: Callable[[], Sequence[float]] = tuple
    shelf: Shelf | None = None
    in_stock_only: bool = False
    withdrawn: NDArray[np.int32] = NO_ITEMS
    shown: Sequence[int] = ()
    about: tuple[str, ...] = ()


def basis_of(answer: Answer, situation: Situation, withdrawn: NDArray[np.int32]) -> Basis:
    """What a list that was computed just now was made from."""
    query = situation.query
    return Basis(
        made_time=situation.time,
        product_ids=lambda: [item.product_id for item in answer.items],
        scores=lambda: [item.score for item in answer.items],
        live=lambda: situation.live,
        shelf=query.shelf,
        in_stock_only=query.in_stock_only,
        withdrawn=withdrawn,
        shown=query.shown.tolist(),
    )


def held_back(
    loaded: LoadedModel, wanted: CatalogueFilter, basis: Basis, sold_at: float
) -> NDArray[np.bool_]:
    """What catalogue, stock, recalls and the caller's filter kept off a list, whoever asked.

    All of it changes by the hour and is kept nowhere else: with it a list can be made again
    tomorrow.

    Args:
        loaded: the model, with the catalogue of the moment.
        wanted: the caller's filter.
        basis: stock and recalls.
        sold_at: when products had to be sold, unix seconds.

    Returns:
        Bool, shape ``(n_items,)``.
    """
    assortment = loaded.assortment
    allowed = assortment.available(sold_at)
    if wanted:
        allowed &= assortment.index.matching(wanted, basis.shelf)
    if basis.in_stock_only:
        allowed &= np.False_ if basis.shelf is None else basis.shelf.in_stock
    allowed[basis.withdrawn] = False
    return ~allowed


class HeldBack:
    """What was kept off lists as bits, one an item, by ``numpy.packbits``.

    That of the last list is remembered: until something changes most lists have the same kept off
    them. For one thread.
    """

    def __init__(self) -> None:
        self._assortment: Callable[[], Assortment | None] = lambda: None
        self._withdrawn = NO_ITEMS
        self._since = self._until = 0.0
        self._bits = b""

    def of(
        self, loaded: LoadedModel, wanted: CatalogueFilter, basis: Basis, sold_at: float
    ) -> bytes:
        """The bits of :func:`held_back`."""
        if wanted or basis.in_stock_only:  # of few lists, and hardly of two in a row
            return _packed(loaded, wanted, basis, sold_at)
        assortment, withdrawn = loaded.assortment, basis.withdrawn
        if not (
            assortment is self._assortment()
            and withdrawn is self._withdrawn
            and self._since <= sold_at < self._until
        ):
            self._bits = _packed(loaded, wanted, basis, sold_at)
            self._assortment, self._withdrawn = ref(assortment), withdrawn
            self._since, self._until = sold_at, assortment.unchanged_until(sold_at)
        return self._bits


def _packed(loaded: LoadedModel, wanted: CatalogueFilter, basis: Basis, sold_at: float) -> bytes:
    return np.packbits(held_back(loaded, wanted, basis, sold_at)).tobytes()
