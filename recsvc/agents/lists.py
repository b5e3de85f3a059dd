"""Lists as an agent gets them: within what they may cost, without what must not be named."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from recsvc.agents.advice import (
    PRICE_LIMIT,
    UNKNOWN_NAMES,
    UNREAD,
    complaint,
    out_of_budget,
    unknown_name,
)
from recsvc.agents.arguments import MAX_LISTED, ListArguments
from recsvc.agents.purse import within
from recsvc.agents.shop import Offer, Offers, Shop, Wish
from recsvc.agents.text import clean
from recsvc.errors import InvalidRequestError, NotFoundError

MAX_ROUNDS = 3
"""How often a list is asked for again without what must not be named."""

N_CONSIDERED = 40
"""Products of the list that a total budget chooses from, at least. So many each source proposes by
default: beyond, a list has more candidates and may begin otherwise than a shorter one."""


class Lists:
    """Asks a shop for lists; safe to call from many threads.

    Args:
        shop: what is asked.
        channel: ``AGENT`` or ``CHAT``.
    """

    def __init__(self, shop: Shop, channel: str) -> None:
        self._shop = shop
        self._channel = channel

    def wish(self, asked: ListArguments, customer_id: str) -> Wish:
        """What the arguments of a list ask of the shop.

        Args:
            asked: the arguments that all lists have.
            customer_id: who the list is for, ``""`` nobody in particular.

        Raises:
            InvalidRequestError: two budgets are in two currencies.
        """
        limits = [limit for limit in (asked.budget, asked.for_all) if limit is not None]
        if len({limit.currency for limit in limits}) > 1:
            raise InvalidRequestError(
                "total_budget.currency", "is another one than that of budget; give both in one"
            )
        limit = min(limits, key=lambda limit: limit.amount, default=None)
        return Wish(
            customer_id=customer_id,
            size=max(asked.how_many, N_CONSIDERED) if asked.for_all else asked.how_many,
            store_id=asked.store_id or "",
            categories=tuple(asked.categories),
            brands=tuple(asked.brands),
            budget=limit.amount if limit else None,
            currency=limit.currency if limit else "",
            excluded=tuple(asked.exclude),
            in_stock_only=asked.in_stock_only,
            language=asked.language or "",
            channel=self._channel,
        )

    def find(
        self,
        ask: Callable[[Wish], Offers],
        wish: Wish,
        asked: ListArguments,
        about: Sequence[str] = (),
    ) -> Offers:
        """A list that costs no more, as a whole, than it may: the best of a longer one.

        Args:
            ask: the shop's list of a wish.
            wish: what is asked for.
            asked: the arguments that it comes from.
            about: products that the list is about.

        Raises:
            InvalidRequestError: the question can be put better; it says how.
            RecsvcError: whatever the shop raises.
        """
        total = asked.for_all
        price_limit = PRICE_LIMIT if asked.budget or total is None else "total_budget"
        offers = self._named(ask, wish, about, price_limit)
        if total is None:
            return offers
        chosen = within(offers.offers, total.amount, total.currency, asked.how_many)
        return replace(offers, offers=chosen)

    def _named(
        self,
        ask: Callable[[Wish], Offers],
        wish: Wish,
        about: Sequence[str],
        price_limit: str,
    ) -> Offers:
        """A list without sensitive products, unless they are what was asked for.

        It is the very list of any other door; only where it names what it must not here, it is
        asked for again without that.
        """
        offers = ask(wish)
        self._check(offers, wish)
        if _is_out_of_budget(offers):
            self._check_budget(ask, wish, about, price_limit)
        hidden = self._hidden(offers.offers, wish, about)
        if not hidden:
            return offers
        for _ in range(MAX_ROUNDS):
            wish = replace(wish, excluded=(*wish.excluded, *hidden))
            offers = ask(wish)
            hidden = _sensitive(offers.offers)
            if not hidden:
                return offers
        left = tuple(offer for offer in offers.offers if not offer.goods.is_sensitive)
        return replace(offers, offers=left)

    def _check(self, offers: Offers, wish: Wish) -> None:
        """Refuse a question that the model can put better, and say how."""
        for warning in offers.warnings:
            if warning in UNKNOWN_NAMES:
                raise self._unknown_name(warning, wish)
            error = complaint(warning) if _is_telling(offers) else None
            if error is not None:
                raise error

    def _check_budget(
        self,
        ask: Callable[[Wish], Offers],
        wish: Wish,
        about: Sequence[str],
        price_limit: str,
    ) -> None:
        """Refuse a budget that leaves nothing; where nothing is left without it, it may stand."""
        longer = replace(wish, budget=None, currency="", size=MAX_LISTED)  # to see more prices
        offers = ask(longer).offers
        hidden = self._hidden(offers, wish, about)
        anyway = [one.goods for one in offers if one.goods.product_id not in hidden]
        if anyway:
            known = ((one.price, clean(one.currency)) for one in anyway)
            raise out_of_budget(price_limit, wish.currency, known)

    def _hidden(self, offers: Iterable[Offer], wish: Wish, about: Sequence[str]) -> tuple[str, ...]:
        """The sensitive products of a list; none where they are what was asked for."""
        hidden = _sensitive(offers)
        # Whoever names a category, or a product that is one, has asked.
        if hidden and (wish.categories or self._is_any_sensitive(about)):
            return ()
        return hidden

    def _unknown_name(self, warning: str, wish: Wish) -> InvalidRequestError:
        """With names of what the customer may like, whatever it costs and wherever it is."""
        anything = Wish(customer_id=wish.customer_id, size=MAX_LISTED, store_id=wish.store_id)
        liked = [one.goods for one in self._shop.recommend(anything).offers]
        named = [one for one in liked if not one.is_sensitive]
        if warning == "UNKNOWN_CATEGORY":
            names, asked = [clean(one.category_path) for one in named], wish.categories
        else:
            names, asked = [clean(one.brand) for one in named], wish.brands
        return unknown_name(warning, filter(None, names), asked)

    def _is_any_sensitive(self, product_ids: Iterable[str]) -> bool:
        for product_id in product_ids:
            try:
                if self._shop.product(product_id).is_sensitive:
                    return True
            except NotFoundError:
                continue  # the list is about the others
        return False


def _is_telling(offers: Offers) -> bool:
    """Whether a list is empty because of what was asked for.

    A store's own prices may be what could not be read: then the budget is not to blame.
    """
    return not offers.offers and offers.degraded_reason not in UNREAD


def _is_out_of_budget(offers: Offers) -> bool:
    return _is_telling(offers) and "PRICE_CURRENCY" in offers.warnings


def _sensitive(offers: Iterable[Offer]) -> tuple[str, ...]:
    return tuple(offer.goods.product_id for offer in offers if offer.goods.is_sensitive)
