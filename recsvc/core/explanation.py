"""Why a product is on a shopper's list: what is claimed, and the facts that bear it out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.baskets import Pairs
from recsvc.core.claims import Claim, Explanation
from recsvc.core.histories import SECONDS_A_DAY, Profile
from recsvc.core.lists import Ranking
from recsvc.core.live import NO_ITEMS
from recsvc.core.model import Model
from recsvc.core.pairs import Pair, counted, most_telling, pair
from recsvc.core.places import Level
from recsvc.core.sources import Explainable, Strategy
from recsvc.core.vocabulary import MISSING

ALIKE = 0.2
"""How like another a product must be to be called so: less is a word in common by chance."""

MIN_WINDOW_DAYS = 2
"""A shorter window says little: the purchases of all time are told instead."""

NOT_COUNTED = frozenset({"ease"})
"""Item-to-item sources that may tie products together which nobody has bought both."""

_RESTS_ON_OWN = (Strategy.COLLABORATIVE, Strategy.SIMILAR)


def explain(
    model: Model,
    assortment: Assortment,
    ranking: Ranking,
    unnamed: NDArray[np.int32] = NO_ITEMS,
) -> list[Explanation]:
    """One explanation for each product of a ranking, in its order.

    Args:
        model: the model that made the ranking.
        assortment: the products of the ranking.
        ranking: a list for a shopper.
        unnamed: items that no reason may name, beside the assortment's own.

    Returns:
        explanations that the model's own counts bear out: a number, a time or a product is given
        only where the purchases that the model was trained on, and the shopper's since, have it.
    """
    return [explain_one(case) for case in cases(model, assortment, ranking, unnamed)]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What the reasons of one list rest on.

    Attributes:
        model, assortment, ranking: the list, and what made it.
        pairs: counted baskets, if the model has them.
        basket: items of the basket, if that is what was asked about; what stands in for others
            is not among them.
        together: float32, shape ``(len(basket), n)``: how many baskets had each of them and each
            product of the ranking.
        hidden: items that must not be named.
        purchased: items that the shopper has bought.
    """

    model: Model
    assortment: Assortment
    ranking: Ranking
    pairs: Pairs | None
    basket: NDArray[np.int32]
    together: NDArray[np.float32]
    hidden: frozenset[int]
    purchased: frozenset[int]


@dataclass(frozen=True, slots=True)
class Case:
    """One product that needs a reason.

    Attributes:
        grounds: those of the list.
        item: its item index.
        position: its position in the ranking.
        own: of the shopper's products that may be named the one that speaks most for it, if its
            strategy rests on one.
        is_counted: whether customers bought both.
        is_silenced: whether one speaks for it that must not be named.
    """

    grounds: Grounds
    item: int
    position: int
    own: int
    is_counted: bool
    is_silenced: bool

    @property
    def is_learnt(self) -> bool:
        """Whether the model knows it."""
        return self.item < self.grounds.assortment.n_learnt


def cases(
    model: Model, assortment: Assortment, ranking: Ranking, unnamed: NDArray[np.int32]
) -> list[Case]:
    """The products of a ranking, each with what speaks for it."""
    is_learnt = ranking.items < assortment.n_learnt
    hidden = np.concatenate([assortment.unnamed, unnamed])
    n = len(ranking.items)
    own = np.full(n, MISSING, np.int32)
    is_counted, is_silenced = np.zeros((2, n), np.bool_)
    own[is_learnt], is_counted[is_learnt], is_silenced[is_learnt] = _evidence(
        model, ranking.items[is_learnt], ranking.strategies[is_learnt], ranking.profile, hidden
    )
    pairs = None if model.baskets is None else model.baskets.products
    basket = np.setdiff1d(ranking.basket, ranking.stand_ins) if pairs else NO_ITEMS
    together = np.zeros((len(basket), n), np.float32)
    if pairs and len(basket):
        together[:, is_learnt] = pairs.matrix(basket, ranking.items[is_learnt], pairs.both.values)
    grounds = Grounds(
        model,
        assortment,
        ranking,
        pairs,
        basket,
        together,
        frozenset(hidden.tolist()),
        frozenset(ranking.profile.purchased.tolist()),
    )
    columns = (ranking.items, np.arange(n), own, is_counted, is_silenced)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [Case(grounds, *row) for row in rows]


def explain_one(case: Case) -> Explanation:
    """Why a product is on a list that its strategy has put it on."""
    if not case.is_learnt:
        return _newcomer(case)
    return _REASONS[Strategy(int(case.grounds.ranking.strategies[case.position]))](case)


def _evidence(
    model: Model,
    items: NDArray[np.int32],
    strategies: NDArray[np.int8],
    profile: Profile,
    hidden: NDArray[np.integer],
) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.bool_]]:
    """For each product the own product that speaks most for it, MISSING where none does.

    All products at once: the costly part depends on the shopper alone. Beside it, whether
    customers bought both, and whether only what must not be named speaks for it.
    """
    own = profile.items
    evidence = np.full(len(items), MISSING, np.int32)
    is_counted, is_silenced = np.zeros((2, len(items)), np.bool_)
    for strategy in _RESTS_ON_OWN:
        if not (strategies == strategy).any():
            continue
        # A strategy may have several sources: the first that knows of a product is asked.
        for name, source in _explainable(model, strategy):
            asked = np.flatnonzero((strategies == strategy) & (evidence == MISSING))
            if len(asked):
                terms = source.contributions(profile, items[asked])
                terms = np.where(own == items[asked, None], 0, terms)
                if len(hidden):
                    is_hidden = np.isin(own, hidden)
                    is_silenced[asked] |= (terms[:, is_hidden] > 0).any(axis=1)
                    terms[:, is_hidden] = 0
                speaks = terms.max(axis=1, initial=0) > 0
                evidence[asked[speaks]] = own[terms[speaks].argmax(axis=1)]
                is_counted[asked[speaks]] = name not in NOT_COUNTED
    # Itself only if no other speaks for it.
    alone = (evidence == MISSING) & np.isin(strategies, _RESTS_ON_OWN) & np.isin(items, own)
    evidence[alone] = items[alone]
    return evidence, is_counted, is_silenced


def _explainable(model: Model, strategy: Strategy) -> list[tuple[str, Explainable]]:
    """The sources of ``strategy`` that can say which own product speaks for another."""
    return [
        (source.name, source)
        for source in model.sources
        if strategy in source.features.values() and isinstance(source, Explainable)
    ]


def bought_before(case: Case) -> Explanation:
    """How often the shopper has bought it, and when last."""
    ranking, item = case.grounds.ranking, case.item
    n_purchases, last_time = own_purchases(ranking, item)
    if not n_purchases and item in ranking.stand_ins:
        return Explanation(claim=Claim.LIKE_SEEN)
    if item in case.grounds.hidden:  # nobody wants to be reminded of it
        return popular(case)
    if not n_purchases:
        return Explanation(claim=Claim.SEEN, evidence=(item,))
    return Explanation(
        claim=Claim.BOUGHT_ON if last_time else Claim.BOUGHT,
        evidence=(item,),
        n_purchases=n_purchases,
        last_time=last_time,
    )


def own_purchases(ranking: Ranking, item: int) -> tuple[int, int]:
    """How often the shopper has bought a product, and when last; 0 where that is not known."""
    profile = ranking.profile
    at = int(np.searchsorted(profile.items, item))
    if at == len(profile.items) or profile.items[at] != item:
        return 0, 0
    is_guess = len(ranking.undated) and item in ranking.undated
    return int(profile.n_purchases[at]), 0 if is_guess else int(profile.last_time[at])


def _fits_purchases(case: Case) -> Explanation:
    grounds, own = case.grounds, case.own
    if own == case.item:  # nothing else that the shopper has bought or seen speaks for it
        return bought_before(case)
    if own == MISSING:
        if case.is_silenced:
            return Explanation(claim=Claim.FITS)
        return Explanation(claim=Claim.LIKE_CUSTOMERS if grounds.purchased else Claim.LIKE_MINDED)
    if len(grounds.ranking.stand_ins) and own in grounds.ranking.stand_ins:
        return Explanation(claim=Claim.FITS_NOW)
    claim = Claim.FITS_BOUGHT if own in grounds.purchased else Claim.FITS_SEEN
    return Explanation(claim=claim, evidence=(own,))


def _bought_with(case: Case) -> Explanation:
    own = case.own
    if own in {MISSING, case.item}:
        return _fits_purchases(case)
    found = counted(case.grounds.pairs, case.item, own)
    if found and found.is_telling:
        return Explanation(
            claim=Claim.OWN_LIFT if own in case.grounds.purchased else Claim.LIFT,
            evidence=(own,),
            n_purchases=found.n_both,
            lift=found.lift,
        )
    if case.is_counted or found:
        return Explanation(claim=Claim.ALSO_BOUGHT, evidence=(own,))
    return _fits_purchases(case)


def goes_with(case: Case) -> Explanation | None:
    """What of the basket was together with it: the highest lift, else the most baskets."""
    pairs = dict(_with_basket(case))
    visible = [one for other, one in pairs.items() if other not in case.grounds.hidden]
    best = most_telling(visible)
    if best is None:
        return Explanation(claim=Claim.TOGETHER_UNNAMED) if pairs else None
    return Explanation(
        claim=Claim.LIFT if best.is_telling else Claim.TOGETHER,
        evidence=(best.other,),
        n_purchases=best.n_both,
        lift=best.lift if best.is_telling else 0.0,
    )


def _with_basket(case: Case) -> Iterator[tuple[int, Pair]]:
    grounds = case.grounds
    if grounds.pairs is None:
        return
    n_both = grounds.together[:, case.position]
    for at in np.flatnonzero(n_both).tolist():
        other = int(grounds.basket[at])
        yield other, pair(grounds.pairs, case.item, other, float(n_both[at]))


def _bought_together(case: Case) -> Explanation:
    # Without a pair, it is what stands in for a newcomer of the basket that speaks for it.
    return goes_with(case) or Explanation(claim=Claim.FITS_NOW)


def _newcomer(case: Case) -> Explanation:
    assortment, bought = case.grounds.assortment, list(case.grounds.purchased)
    near, likeness = assortment.near.row(case.item - assortment.n_learnt)
    can_be_named = ~np.isin(near, list(case.grounds.hidden)) & (likeness >= ALIKE)
    near, likeness = near[can_be_named], likeness[can_be_named]
    if not len(near):
        return Explanation(claim=Claim.NEW)
    # What the shopper has bought speaks for it before what is not much more like it.
    is_own = np.isin(near, bought) & (likeness >= likeness.max() / 2)
    most = int(near[(likeness + 2 * is_own).argmax()])
    claim = Claim.NEW_LIKE_BOUGHT if most in case.grounds.purchased else Claim.NEW_LIKE
    return Explanation(claim=claim, evidence=(most,))


def popular(case: Case) -> Explanation:
    """How often all customers together have bought it."""
    return _sold(case, Level.EVERYWHERE)


def _popular_here(case: Case) -> Explanation:
    return _sold(case, Level(int(case.grounds.ranking.levels[case.position])))


def _sold(case: Case, level: Level) -> Explanation:
    model, place = case.grounds.model, case.grounds.ranking.place
    count = model.places.purchases(place, case.item, level)
    if not count.n_purchases:
        return Explanation(claim=Claim.IN_RANGE)
    name, store_id = "", ""
    if level is Level.STORE:
        name = model.places.store_name(place)
        name, store_id = ("", count.key) if name == count.key else (name, "")
    elif level is Level.POSTAL_CODE:
        name = count.key.partition("|")[2]
    has_window = count.n_recent and model.recent_days >= MIN_WINDOW_DAYS
    return Explanation(
        claim=Claim.SOLD,
        n_purchases=count.n_recent if has_window else count.n_purchases,
        window_days=round(model.recent_days) if has_window else 0,
        window_start=ceil(model.data_end - model.recent_days * SECONDS_A_DAY) if has_window else 0,
        # The last purchase of all was in the second that begins with the end of the data.
        window_end=int(model.data_end) + 1 if model.data_end else 0,
        level=level,
        place=name,
        store_id=store_id,
    )


_REASONS: dict[Strategy, Callable[[Case], Explanation]] = {
    Strategy.BUY_AGAIN: bought_before,
    Strategy.COLLABORATIVE: _fits_purchases,
    Strategy.SIMILAR: _bought_with,
    Strategy.BOUGHT_TOGETHER: _bought_together,
    Strategy.POPULAR_NEARBY: _popular_here,
    Strategy.POPULAR: popular,
}
