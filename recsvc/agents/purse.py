"""What a sum of money pays for: lists within a budget as a whole, and what a list comes to."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from recsvc.agents.answers import rounded
from recsvc.agents.shop import Goods, Offer


def within(offers: Sequence[Offer], amount: float, currency: str, size: int) -> tuple[Offer, ...]:
    """The best of a list that cost no more than a sum together, one of each.

    From the first on, whatever is left pays for. It is no knapsack: scores are comparable within a
    list, but two good products are not worth one that is better by their sum.

    Args:
        offers: the best first.
        amount: the sum.
        currency: of the sum; what has no price in it is left out.
        size: how many at most.
    """
    left = Decimal(str(amount))
    chosen: list[Offer] = []
    for offer in offers:
        price = _price(offer.goods)
        if price is None or offer.goods.currency != currency or price > left:
            continue
        chosen.append(offer)
        left -= price
        if len(chosen) == size:
            break
    return tuple(chosen)


def sum_of(goods: Iterable[Goods]) -> tuple[float, str] | None:
    """What one of each costs, and the currency; None where nobody can tell, or nothing is there."""
    goods = tuple(goods)
    prices = [price for price in map(_price, goods) if price is not None]
    currencies = {one.currency for one in goods}
    if len(prices) < len(goods) or len(currencies) != 1:
        return None
    return float(sum(prices)), currencies.pop()


def _price(goods: Goods) -> Decimal | None:
    return None if goods.price is None else Decimal(str(rounded(goods.price)))
