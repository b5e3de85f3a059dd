"""Why a product is on a list that was asked about products, or about what is due again."""

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.baskets import Pairs
from recsvc.core.claims import Claim, Explanation
from recsvc.core.explanation import (
    Case,
    bought_before,
    cases,
    explain_one,
    goes_with,
    own_purchases,
    popular,
)
from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.lists import Ranking
from recsvc.core.live import NO_ITEMS
from recsvc.core.model import Model
from recsvc.core.pairs import counted
from recsvc.core.sources import ItemToItem

MIN_REGULAR = 3
"""Purchases from which on they are called regular: a single interval is none."""


def explain_similar(
    item: int,
    model: Model,
    assortment: Assortment,
    ranking: Ranking,
    unnamed: NDArray[np.int32] = NO_ITEMS,
) -> list[Explanation]:
    """One explanation for each product of a list of products like ``item``.

    Args:
        item: index of the product that was asked about.
        model: the model that made the list.
        assortment: its products.
        ranking: the list.
        unnamed: items that no reason may name, beside the assortment's own.
    """
    if item in assortment.unnamed or item in unnamed:
        return [Explanation(claim=Claim.SIMILAR_UNNAMED)] * len(ranking.items)
    pairs = None if model.baskets is None else model.baskets.products
    neighbours, same_buyers = model.source("neighbours"), NO_ITEMS
    if item < assortment.n_learnt and isinstance(neighbours, ItemToItem):
        same_buyers = neighbours.weights.row(item)[0]
    return [
        _like(assortment, item, other, pairs, has_both=other in same_buyers)
        for other in ranking.items.tolist()
    ]


def _like(
    assortment: Assortment, item: int, other: int, pairs: Pairs | None, *, has_both: bool
) -> Explanation:
    """Why ``other`` is on a list of products like ``item``."""
    n_learnt = assortment.n_learnt
    if item < n_learnt and other < n_learnt:
        found = counted(pairs, other, item)
        if found and found.is_telling:
            return Explanation(
                claim=Claim.SIMILAR_LIFT,
                evidence=(item,),
                n_purchases=found.n_both,
                lift=found.lift,
            )
        claim = Claim.SAME_BUYERS if has_both or found else Claim.SAME_TASTE
    elif any(
        new >= n_learnt and old in assortment.near.row(new - n_learnt)[0]
        for new, old in ((item, other), (other, item))
    ):
        claim = Claim.ALIKE
    else:
        claim = Claim.GOES_WITH_LIKE if item >= n_learnt else Claim.LIKE_GOES_WITH
    return Explanation(claim=claim, evidence=(item,))


def explain_together(
    model: Model,
    assortment: Assortment,
    ranking: Ranking,
    unnamed: NDArray[np.int32] = NO_ITEMS,
) -> list[Explanation]:
    """One explanation for each product of a list of what goes with a basket.

    Args:
        model: the model that made the list.
        assortment: its products.
        ranking: the list, with the basket that was asked about.
        unnamed: items that no reason may name, beside the assortment's own.

    Returns:
        the product of the basket with the highest lift; where none is telling, the one that was
        most often with it; where none ever was, what brought it there instead.
    """
    return [
        goes_with(case) or explain_one(case) for case in cases(model, assortment, ranking, unnamed)
    ]


def explain_again(
    model: Model,
    assortment: Assortment,
    ranking: Ranking,
    unnamed: NDArray[np.int32] = NO_ITEMS,
) -> list[Explanation]:
    """One explanation for each product of a list of what a shopper needs again.

    Args:
        model: the model that made the list.
        assortment: its products.
        ranking: the list; the shopper has bought each of its products.
        unnamed: items that no reason may name, beside the assortment's own.
    """
    return [_bought_regularly(case) for case in cases(model, assortment, ranking, unnamed)]


def _bought_regularly(case: Case) -> Explanation:
    if case.item in case.grounds.hidden:
        return popular(case)
    n_purchases, last_time = own_purchases(case.grounds.ranking, case.item)
    if n_purchases < MIN_REGULAR or not last_time:
        return bought_before(case)
    profile = case.grounds.ranking.profile
    first_time = int(profile.first_time[profile.items == case.item][0])
    interval = (last_time - first_time) / (n_purchases - 1)
    if not round(interval / SECONDS_A_DAY):
        return bought_before(case)
    return Explanation(
        claim=Claim.DUE_AGAIN,
        evidence=(case.item,),
        n_purchases=n_purchases,
        last_time=last_time,
        interval_seconds=interval,
    )
