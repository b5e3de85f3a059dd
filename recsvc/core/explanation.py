"""Why a product is on a list: one true sentence, and the products that bear it out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from recsvc.core.histories import Profile
from recsvc.core.model import Model
from recsvc.core.places import Level, PurchaseCount
from recsvc.core.recommender import Ranking
from recsvc.core.sources import Strategy


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


def explain(model: Model, ranking: Ranking) -> list[Explanation]:
    """One explanation for each product of a ranking, in its order.

    Args:
        model: the model that made the ranking.
        ranking: a list for a shopper.

    Returns:
        explanations that the model's own counts bear out: a sentence names a number, a
        date or a product only where the purchases that the model was trained on have it.
    """
    return [
        _REASONS[Strategy(int(strategy))](model, ranking, position)
        for position, strategy in enumerate(ranking.strategies)
    ]


def explain_similar(model: Model, item: int, ranking: Ranking) -> list[Explanation]:
    """One explanation for each product of a list of products like ``item``."""
    text = f"Bought by customers with a taste for {model.catalogue.title(item)}."
    return [Explanation(ReasonCode.SIMILAR_PRODUCT, text, (item,)) for _ in ranking.items]


def _bought_before(
    model: Model,  # noqa: ARG001  # all reasons share one signature
    ranking: Ranking,
    position: int,
) -> Explanation:
    item = int(ranking.items[position])
    at = int(np.searchsorted(ranking.profile.items, item))
    n_purchases = int(ranking.profile.n_purchases[at])
    last_time = int(ranking.profile.last_time[at])
    if not n_purchases:
        return Explanation(ReasonCode.SIMILAR_CUSTOMERS, "You showed interest in this.", (item,))
    when = f" on {_day(last_time)}" if last_time else ""
    text = f"You bought this{when}."
    if n_purchases > 1:
        last = f", last{when}" if when else ""
        text = f"You have bought this {n_purchases:,} times{last}."
    return Explanation(ReasonCode.BOUGHT_BEFORE, text, (item,))


def _fits_purchases(model: Model, ranking: Ranking, position: int) -> Explanation:
    item = int(ranking.items[position])
    if model.collaborative is None:  # pragma: no cover  # no factors, no such strategy
        raise AssertionError
    own = _strongest(ranking.profile, item, model.collaborative.factors.contributions)
    if own == item:  # nothing else that the shopper has bought or seen speaks for it
        return _bought_before(model, ranking, position)
    what = "you buy" if own in ranking.profile.purchased else "interests you now"
    text = f"Fits what {what}, such as {model.catalogue.title(own)}."
    return Explanation(ReasonCode.SIMILAR_CUSTOMERS, text, (own,))


def _bought_with(model: Model, ranking: Ranking, position: int) -> Explanation:
    item = int(ranking.items[position])
    if model.neighbours is None:  # pragma: no cover  # likewise
        raise AssertionError
    own = _strongest(ranking.profile, item, model.neighbours.contributions)
    text = f"Customers who buy {model.catalogue.title(own)} also buy this."
    return Explanation(ReasonCode.SIMILAR_TO_BOUGHT, text, (own,))


def _popular_here(model: Model, ranking: Ranking, position: int) -> Explanation:
    item, level = int(ranking.items[position]), Level(int(ranking.levels[position]))
    count = model.places.purchases(ranking.place, item, level)
    store = model.places.store_name(ranking.place)
    where = {
        Level.STORE: f" at {store}" if store != count.key else f" at store {count.key}",
        Level.POSTAL_CODE: f" in postal code {count.key.partition('|')[2]}",
        Level.CELL: " in this area",
        Level.SUBDIVISION: f" in {count.key}",
        Level.COUNTRY: f" in {count.key}",
    }[level]
    return Explanation(ReasonCode.POPULAR_NEARBY, _bought(model, count, where))


def _popular(model: Model, ranking: Ranking, position: int) -> Explanation:
    item = int(ranking.items[position])
    count = model.places.purchases(ranking.place, item, Level.EVERYWHERE)
    return Explanation(ReasonCode.POPULAR, _bought(model, count, " by all customers together"))


def _bought(model: Model, count: PurchaseCount, where: str) -> str:
    if count.n_recent:
        window = f" in the {model.recent_days:.0f} days to {_day(model.data_end)}"
        return f"Bought {_times(count.n_recent)}{where}{window}."
    return f"Bought {_times(count.n_purchases)}{where}."


def _strongest(
    profile: Profile, item: int, contributions: Callable[[Profile, int], np.ndarray]
) -> int:
    """The product of the profile that speaks most for ``item``; itself only if no other does."""
    itself = np.finfo(np.float32).tiny  # beats what speaks not at all, or against it
    terms = np.where(profile.items == item, itself, contributions(profile, item))
    return int(profile.items[terms.argmax()])


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n:,} times"


def _day(seconds: float) -> str:
    day = datetime.fromtimestamp(seconds, UTC)
    return f"{day.day} {day:%B %Y}"


_REASONS: dict[Strategy, Callable[[Model, Ranking, int], Explanation]] = {
    Strategy.BUY_AGAIN: _bought_before,
    Strategy.COLLABORATIVE: _fits_purchases,
    Strategy.SIMILAR: _bought_with,
    Strategy.POPULAR_NEARBY: _popular_here,
    Strategy.POPULAR: _popular,
}
