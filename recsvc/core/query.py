"""What one model is asked."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Shelf
from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.diversity import Diversity
from recsvc.core.live import NO_ACTS, NO_ITEMS, Acts
from recsvc.core.places import ANYWHERE, Place
from recsvc.core.reranking import Form
from recsvc.core.ruling import NO_RULING, Ruling
from recsvc.core.stages import Stage
from recsvc.core.vocabulary import MISSING

STALE_SECONDS = 7 * 86_400
"""Data that ended longer ago than this no longer runs up to now: recency is measured at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question, in the model's indices.

    Attributes:
        customer: customer index, :data:`MISSING` for one that the model does not know.
        place: where the shopper is.
        size: how many products at most.
        now: the moment that recency is measured at, seconds since 1970, UTC.
        sold_at: when the products must be sold, likewise; ``None`` is ``now``.
        acts: what the shopper has done since the model learnt.
        stage: how far the shopper has come.
        only_new: leave out what the customer has bought.
        catalogue_filter: what the caller allows, ``None`` everything.
        excluded: item indices that must not be on the list.
        shown: item indices of the pages before, the first first; they and their variants are not
            on this one.
        diversity: how varied the list should be.
        ruling: the shop's rules that hold.
        basket: item indices in the basket now; they shape the list, and neither they nor their
            variants are on it.
        session: item indices seen just now; they shape the list.
        shelf: what is there at the store, and its prices; ``None`` where nobody has said.
        in_stock_only: leave out what is not known to be there.
    """

    customer: int = MISSING
    place: Place = ANYWHERE
    size: int = 20
    now: float
    sold_at: float | None = None
    acts: Acts = NO_ACTS
    stage: Stage = Stage.ANY
    only_new: bool = False
    catalogue_filter: CatalogueFilter | None = None
    excluded: NDArray[np.int32] = field(default_factory=lambda: NO_ITEMS)
    shown: NDArray[np.int32] = field(default_factory=lambda: NO_ITEMS)
    diversity: Diversity = Diversity.NONE
    ruling: Ruling = NO_RULING
    basket: NDArray[np.int32] = field(default_factory=lambda: NO_ITEMS)
    session: NDArray[np.int32] = field(default_factory=lambda: NO_ITEMS)
    shelf: Shelf | None = None
    in_stock_only: bool = False

    def is_of_same(self, other: "Query") -> bool:
        """Whether both ask for one shopper, as of one time and after the same acts."""
        is_one = self.customer == other.customer and self.now == other.now
        return is_one and self.acts is other.acts

    @property
    def form(self) -> Form:
        """What the list has to be, whatever the scores."""
        return Form(size=self.size, shown=self.shown, diversity=self.diversity, ruling=self.ruling)
