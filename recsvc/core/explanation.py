"""Why a product is on a list: one true sentence, and the products that bear it out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.histories import Profile
from recsvc.core.live import NO_ITEMS
from recsvc.core.model import Model
from recsvc.core.places import Level, PurchaseCount
from recsvc.core.recommender import Ranking
from recsvc.core.sources import Explainable, Strategy
from recsvc.core.vocabulary import MISSING


class ReasonCode(StrEnum):
    """What kind of reason is given."""

    BOUGHT_BEFORE = "BOUGHT_BEFORE"
    SIMILAR_TO_BOUGHT = "SIMILAR_TO_BOUGHT"
    SIMILAR_CUSTOMERS = "SIMILAR_CUSTOMERS"
    SIMILAR_PRODUCT = "SIMILAR_PRODUCT"
    POPULAR_NEARBY = "POPULAR_NEARBY"
    POPULAR = "POPULAR"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A reason for one product.

    Attributes:
        code: the kind of reason.
        text: one sentence that a person or a chatbot can say.
        evidence: item indices of the products that the reason rests on.
    """

    code: ReasonCode
    text: str
    evidence: tuple[int, ...] = ()


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
        explanations that the model's own counts bear out: a sentence names a number, a
        date or a product only where the purchases that the model was trained on have it.
    """
    is_learnt = ranking.items < assortment.n_learnt
    evidence = np.full(len(ranking.items), MISSING, np.int32)
    hidden = np.union1d(assortment.unnamed, unnamed)
    evidence[is_learnt] = _evidence(
        model, ranking.items[is_learnt], ranking.strategies[is_learnt], ranking.profile, hidden
    )
    cases = [
        _Case(model, assortment, ranking, position, int(own), hidden)
        for position, own in enumerate(evidence)
    ]
    return [
        _REASONS[Strategy(int(strategy))](case) if learnt else _newcomer(case)
        for case, strategy, learnt in zip(cases, ranking.strategies, is_learnt, strict=True)
    ]


def explain_similar(
    assortment: Assortment, item: int, ranking: Ranking, unnamed: NDArray[np.int32] = NO_ITEMS
) -> list[Explanation]:
    """One explanation for each product of a list of products like ``item``."""
    title = assortment.catalogue.title(item)
    evidence: tuple[int, ...] = (item,)
    if item in assortment.unnamed or item in unnamed:
        title, evidence = "what you are looking at", ()
    return [
        Explanation(ReasonCode.SIMILAR_PRODUCT, _alike(assortment, item, other, title), evidence)
        for other in ranking.items.tolist()
    ]


def _alike(assortment: Assortment, item: int, other: int, title: str) -> str:
    """Why ``other`` is on a list of products like ``item``, which is called ``title``."""
    n_learnt = assortment.n_learnt
    if item < n_learnt and other < n_learnt:
        return f"Bought by customers with a taste for {title}."
    for new, old in ((item, other), (other, item)):
        if new >= n_learnt and old in assortment.near.row(new - n_learnt)[0]:
            return f"Like {title} in what it is."
    if item >= n_learnt:
        return f"Goes with products like {title}."
    return f"Like products that go with {title}."


ALIKE = 0.2
"""How like another a product must be to be called so: less is a word in common by chance."""

_RESTS_ON_OWN = (Strategy.COLLABORATIVE, Strategy.SIMILAR)


@dataclass(frozen=True, slots=True)
class _Case:
    """One product that needs a reason.

    Attributes:
        model, assortment, ranking: where it stands.
        position: its position in the ranking.
        own: of the shopper's products the one that speaks most for it, if its strategy
            rests on one.
        hidden: items that must not be named.
    """

    model: Model
    assortment: Assortment
    ranking: Ranking
    position: int
    own: int
    hidden: NDArray[np.integer]

    @property
    def item(self) -> int:
        return int(self.ranking.items[self.position])


def _evidence(
    model: Model,
    items: NDArray[np.int32],
    strategies: NDArray[np.int8],
    profile: Profile,
    hidden: NDArray[np.integer],
) -> NDArray[np.int32]:
    """For each product the own product that speaks most for it, MISSING where none does.

    All products at once: the costly part depends on the shopper alone.
    """
    own = profile.items
    evidence = np.full(len(items), MISSING, np.int32)
    for strategy in _RESTS_ON_OWN:
        # A strategy may have several sources: the first that knows of a product is asked.
        for source in _explainable(model, strategy):
            asked = np.flatnonzero((strategies == strategy) & (evidence == MISSING))
            if len(asked):
                terms = source.contributions(profile, items[asked])
                terms = np.where(own == items[asked, None], 0, terms)
                if len(hidden):
                    terms[:, np.isin(own, hidden)] = 0
                speaks = terms.max(axis=1) > 0
                evidence[asked[speaks]] = own[terms[speaks].argmax(axis=1)]
    # Itself only if no other speaks for it.
    alone = (evidence == MISSING) & np.isin(strategies, _RESTS_ON_OWN) & np.isin(items, own)
    evidence[alone] = items[alone]
    return evidence


def _explainable(model: Model, strategy: Strategy) -> list[Explainable]:
    """The sources of ``strategy`` that can say which own product speaks for another."""
    return [
        source
        for source in model.sources
        if strategy in source.features.values() and isinstance(source, Explainable)
    ]


def _bought_before(case: _Case) -> Explanation:
    profile = case.ranking.profile
    at = int(np.searchsorted(profile.items, case.item))
    n_purchases, last_time = int(profile.n_purchases[at]), int(profile.last_time[at])
    if not n_purchases:
        if case.item in case.ranking.stand_ins:
            return Explanation(ReasonCode.SIMILAR_PRODUCT, "Like something that you looked at.")
        text = "You showed interest in this."
        return Explanation(ReasonCode.SIMILAR_CUSTOMERS, text, (case.item,))
    when = f" on {_day(last_time)}" if last_time else ""
    text = f"You bought this{when}."
    if n_purchases > 1:
        last = f", last{when}" if when else ""
        text = f"You have bought this {n_purchases:,} times{last}."
    return Explanation(ReasonCode.BOUGHT_BEFORE, text, (case.item,))


def _fits_purchases(case: _Case) -> Explanation:
    if case.own == MISSING:
        text = "Bought by customers whose purchases are like yours."
        return Explanation(ReasonCode.SIMILAR_CUSTOMERS, text)
    if case.own == case.item:  # nothing else that the shopper has bought or seen speaks for it
        return _bought_before(case)
    if case.own in case.ranking.stand_ins:
        return Explanation(ReasonCode.SIMILAR_CUSTOMERS, "Fits what interests you now.")
    what = "you buy" if case.own in case.ranking.profile.purchased else "interests you now"
    text = f"Fits what {what}, such as {case.assortment.catalogue.title(case.own)}."
    return Explanation(ReasonCode.SIMILAR_CUSTOMERS, text, (case.own,))


def _bought_with(case: _Case) -> Explanation:
    if case.own in {MISSING, case.item}:  # what speaks for it must not be named
        return _fits_purchases(case)
    text = f"Customers who buy {case.assortment.catalogue.title(case.own)} also buy this."
    return Explanation(ReasonCode.SIMILAR_TO_BOUGHT, text, (case.own,))


def _newcomer(case: _Case) -> Explanation:
    assortment, bought = case.assortment, case.ranking.profile.purchased
    near, likeness = assortment.near.row(case.item - assortment.n_learnt)
    can_be_named = ~np.isin(near, case.hidden) & (likeness >= ALIKE)
    near, likeness = near[can_be_named], likeness[can_be_named]
    if not len(near):
        return Explanation(ReasonCode.SIMILAR_PRODUCT, "New here.")
    # What the shopper has bought speaks for it before what is not much more like it.
    is_own = np.isin(near, bought) & (likeness >= likeness.max() / 2)
    most = int(near[(likeness + 2 * is_own).argmax()])
    which = ", which you have bought" if most in bought else ""
    text = f"New, and like {assortment.catalogue.title(most)}{which}."
    return Explanation(ReasonCode.SIMILAR_PRODUCT, text, (most,))


def _popular_here(case: _Case) -> Explanation:
    model, place = case.model, case.ranking.place
    level = Level(int(case.ranking.levels[case.position]))
    count = model.places.purchases(place, case.item, level)
    store = model.places.store_name(place)
    where = {
        Level.STORE: f" at {store}" if store != count.key else f" at store {count.key}",
        Level.POSTAL_CODE: f" in postal code {count.key.partition('|')[2]}",
        Level.CELL: " in this area",
        Level.SUBDIVISION: f" in {count.key}",
        Level.COUNTRY: f" in {count.key}",
    }[level]
    return Explanation(ReasonCode.POPULAR_NEARBY, _bought(model, count, where))


def _popular(case: _Case) -> Explanation:
    count = case.model.places.purchases(case.ranking.place, case.item, Level.EVERYWHERE)
    text = _bought(case.model, count, " by all customers together")
    return Explanation(ReasonCode.POPULAR, text)


def _bought(model: Model, count: PurchaseCount, where: str) -> str:
    if count.n_recent:
        window = f" in the {model.recent_days:.0f} days to {_day(model.data_end)}"
        return f"Bought {_times(count.n_recent)}{where}{window}."
    return f"Bought {_times(count.n_purchases)}{where}."


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n:,} times"


def _day(seconds: float) -> str:
    day = datetime.fromtimestamp(seconds, UTC)
    return f"{day.day} {day:%B %Y}"


_REASONS: dict[Strategy, Callable[[_Case], Explanation]] = {
    Strategy.BUY_AGAIN: _bought_before,
    Strategy.COLLABORATIVE: _fits_purchases,
    Strategy.SIMILAR: _bought_with,
    Strategy.POPULAR_NEARBY: _popular_here,
    Strategy.POPULAR: _popular,
}
