"""The tools: what a model asks, put to the shop, and answered in words and figures for it."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from recsvc.agents import answers
from recsvc.agents.advice import (
    CONDITIONS,
    PRICE_LIMIT,
    UNKNOWN_NAMES,
    complaint,
    notes_of,
    unknown_name,
)
from recsvc.agents.arguments import (
    MAX_LISTED,
    Again,
    Feedback,
    ListArguments,
    OneProduct,
    Recommend,
    Similar,
    Stores,
    Together,
)
from recsvc.agents.purse import sum_of, within
from recsvc.agents.shop import Branch, Goods, Offer, Offers, OnShelf, Opinion, Shop, Wish
from recsvc.agents.text import MAX_SENTENCE, clean, web_address
from recsvc.core.recommendation_id import Surface
from recsvc.errors import (
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    StoreUnavailableError,
    UnavailableError,
)

MAX_ROUNDS = 3
"""How often a list is asked for again without what must not be named."""

N_CONSIDERED = 40
"""Products of the list that a total budget chooses from, at least. So many each source proposes by
default: beyond, a list has more candidates and may begin otherwise than a shorter one."""

_NO_ANSWER = (StoreUnavailableError, UnavailableError, OverloadedError)

_NOTHING_THERE = "Nothing is known of it at this store."
_NO_STOCK = "What is in stock cannot be read just now."
_NO_STORE = (
    "store_id: nothing is known of this store, so that the price is the catalogue's; find_stores "
    "lists those that there are."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who an agent speaks for, as the connection says; ``""`` nobody in particular."""

    customer_id: str = ""


class Tools:
    """Answers for one shop; safe to call from many threads.

    Every method raises errors of ``recsvc.errors``, those about an argument with its name.

    Args:
        shop: what is asked.
        channel: ``AGENT`` or ``CHAT``.
        now: unix seconds.
    """

    def __init__(self, shop: Shop, channel: str, *, now: Callable[[], float] = time.time) -> None:
        self._shop = shop
        self._channel = channel
        self._now = now

    def recommend_products(self, asked: Recommend, caller: Caller) -> answers.Suggestions:
        """Recommend products to the customer, from past purchases and what sells at the store."""
        wish = replace(
            self._wish(asked, caller), basket=tuple(asked.basket), only_new=asked.only_new
        )
        offers = self._affordable(self._shop.recommend, wish, asked)
        return self._suggestions(offers, asked, Surface.RECOMMEND)

    def find_similar_products(self, asked: Similar, caller: Caller) -> answers.Suggestions:
        """List products like one, the most alike first: what to offer instead of it."""
        offers = self._named(
            lambda wish: self._shop.similar(asked.product_id, wish),
            self._wish(asked, caller),
            [asked.product_id],
        )
        return self._suggestions(offers, asked, Surface.SIMILAR)

    def find_bought_together(self, asked: Together, caller: Caller) -> answers.Suggestions:
        """List what is bought together with one product or a basket: what goes with it."""
        offers = self._affordable(
            lambda wish: self._shop.together(asked.product_ids, wish),
            self._wish(asked, caller),
            asked,
            asked.product_ids,
        )
        return self._suggestions(offers, asked, Surface.TOGETHER)

    def buy_again(self, asked: Again, caller: Caller) -> answers.Needs:
        """List what the customer buys again and again, the most overdue first."""
        _require_customer(caller)
        offers = self._affordable(self._shop.again, self._wish(asked, caller), asked)
        listed = self._suggestions(offers, asked, Surface.AGAIN)
        dues = [offer.due for offer in offers.offers]
        return answers.Needs(
            recommendation_id=listed.recommendation_id,
            store_id=listed.store_id,
            products=[
                answers.Need(
                    **dict(product),
                    due_time=due.time,
                    usual_interval_days=round(due.interval_days, 1) or None,
                    usual_quantity=due.quantity,
                )
                for product, due in zip(listed.products, dues, strict=True)
                if due is not None
            ],
            total=listed.total,
            notes=listed.notes,
        )

    def get_product(self, asked: OneProduct, caller: Caller) -> answers.ProductEntry:  # noqa: ARG002  # all tools alike
        """Look one product up: title, price, stock at a store, whether it is on sale."""
        goods = self._shop.product(asked.product_id)
        if goods.is_withdrawn:
            raise NotFoundError(
                "it was withdrawn from sale, and must not be offered",
                reason="PRODUCT_NOT_FOUND",
            )
        store_id = asked.store_id or ""
        (shelf,), notes = self._shelf(store_id, [goods])
        # All stores are looked through only where this one has said nothing of the product.
        if store_id and shelf == OnShelf() and not notes:
            notes = [self._why_nothing(store_id)]
        off_sale = _off_sale(goods, self._now())
        return answers.ProductEntry(
            store_id=store_id,
            product=answers.Product(**_product(_priced(goods, shelf), shelf, asked.language)),
            on_sale=not off_sale,
            notes=[*filter(None, [off_sale]), *notes],
        )

    def find_stores(self, asked: Stores, caller: Caller) -> answers.FoundStores:  # noqa: ARG002  # all tools alike
        """Find stores by id, name, postal code or country."""
        wanted = (asked.text or "").casefold()
        found = [
            branch
            for branch in self._shop.stores(asked.country_code or "")
            if any(wanted in text.casefold() for text in _names(branch))
        ]
        notes = [] if found else ["No store fits: give less of its name, or nothing for all."]
        return answers.FoundStores(
            stores=[_store(branch) for branch in found[: asked.how_many]],
            n_found=len(found),
            notes=notes,
        )

    def record_feedback(self, asked: Feedback, caller: Caller) -> answers.Recorded:
        """Record what the customer thinks of a product that was suggested; it shapes lists."""
        _require_customer(caller)
        self._shop.product(asked.product_id)  # a misread id would be recorded for good
        outcome = self._shop.record(
            Opinion(
                # Another one each time: the last word counts, also where it is the first again.
                event_id=f"agent-{uuid4().hex}",
                customer_id=caller.customer_id,
                product_id=asked.product_id,
                rating=asked.rating,
                recommendation_id=asked.recommendation_id,
                channel=self._channel,
            )
        )
        return answers.Recorded(outcome=outcome, notes=[])

    def _wish(self, asked: ListArguments, caller: Caller) -> Wish:
        limits = [limit for limit in (asked.budget, asked.for_all) if limit is not None]
        if len({limit.currency for limit in limits}) > 1:
            raise InvalidRequestError(
                "total_budget.currency", "is another one than that of budget; give both in one"
            )
        limit = min(limits, key=lambda limit: limit.amount, default=None)
        return Wish(
            customer_id=caller.customer_id,
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

    def _affordable(
        self,
        ask: Callable[[Wish], Offers],
        wish: Wish,
        asked: ListArguments,
        about: Sequence[str] = (),
    ) -> Offers:
        """A list that costs no more, as a whole, than it may: the best of a longer one."""
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
        about: Sequence[str] = (),
        price_limit: str = PRICE_LIMIT,
    ) -> Offers:
        """A list without sensitive products, unless they are what was asked for.

        It is the very list of any other door; only where it names what it must not here, it is
        asked for again without that.
        """
        offers = ask(wish)
        self._check(offers, wish, price_limit)
        hidden = _sensitive(offers.offers)
        # Whoever names a category, or a product that is one, has asked.
        if not hidden or wish.categories or self._is_any_sensitive(about):
            return offers
        for _ in range(MAX_ROUNDS):
            wish = replace(wish, excluded=(*wish.excluded, *hidden))
            offers = ask(wish)
            hidden = _sensitive(offers.offers)
            if not hidden:
                return offers
        left = tuple(offer for offer in offers.offers if not offer.goods.is_sensitive)
        return replace(offers, offers=left)

    def _check(self, offers: Offers, wish: Wish, price_limit: str) -> None:
        """Refuse a question that the model can put better, and say how."""
        for warning in offers.warnings:
            if warning in UNKNOWN_NAMES:
                raise self._unknown_name(warning, wish)
            error = None if offers.offers else complaint(warning, price_limit)
            if error is not None:
                raise error

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

    def _suggestions(
        self, offers: Offers, asked: ListArguments, surface: Surface
    ) -> answers.Suggestions:
        shelf, more = self._shelf(offers.store_id, [offer.goods for offer in offers.offers])
        warnings = (*offers.warnings, offers.degraded_reason)
        conditions = [name for name in CONDITIONS if getattr(asked, name, None)]
        notes = notes_of(warnings, surface, conditions, is_empty=not offers.offers)
        total = sum_of(offer.goods for offer in offers.offers)
        return answers.Suggestions(
            recommendation_id=offers.recommendation_id,
            store_id=offers.store_id,
            products=[
                answers.Suggestion(
                    **_product(offer.goods, on_shelf, asked.language),
                    rank=rank,
                    reason=clean(offer.reason, MAX_SENTENCE),
                )
                for rank, (offer, on_shelf) in enumerate(
                    zip(offers.offers, shelf, strict=True), start=1
                )
            ],
            total=answers.Price(amount=total[0], currency=total[1]) if total else None,
            notes=[*notes, *more],
        )

    def _why_nothing(self, store_id: str) -> str:
        """What to say where a store has said nothing of a product; it stands without its store."""
        try:
            is_known = any(branch.store_id == store_id for branch in self._shop.stores(""))
        except _NO_ANSWER:
            return _NOTHING_THERE
        return _NOTHING_THERE if is_known else _NO_STORE

    def _shelf(self, store_id: str, goods: Sequence[Goods]) -> tuple[list[OnShelf], list[str]]:
        """What is there of each; nobody knows where it cannot be read, and the list stands."""
        if not goods:
            return [], []
        try:
            return self._shop.shelf(store_id, [one.product_id for one in goods]), []
        except _NO_ANSWER:
            return [OnShelf()] * len(goods), [_NO_STOCK]


def _require_customer(caller: Caller) -> None:
    if not caller.customer_id:
        raise InvalidRequestError(
            "customer",
            "nobody is signed in on this connection, and no argument can say who it is; connect "
            "with a token of the customer, or use recommend_products",
        )


def _sensitive(offers: Iterable[Offer]) -> tuple[str, ...]:
    return tuple(offer.goods.product_id for offer in offers if offer.goods.is_sensitive)


def _priced(goods: Goods, shelf: OnShelf) -> Goods:
    """A product with its store's own price, where there is one."""
    if shelf.price is None:
        return goods
    return replace(goods, price=shelf.price, currency=shelf.currency)


def _product(goods: Goods, shelf: OnShelf, language: str | None) -> dict[str, Any]:
    price = None
    if goods.price is not None:
        price = answers.Price(amount=round(goods.price, 6), currency=goods.currency)
    return {
        "product_id": goods.product_id,
        "title": clean(_title(goods, language or "")),
        "category": clean(goods.category_path),
        "brand": clean(goods.brand),
        "price": price,
        "in_stock": shelf.is_in_stock,
        "quantity": shelf.quantity,
        "uri": web_address(goods.uri),
        "image_uri": web_address(goods.image_uri),
    }


def _off_sale(goods: Goods, now: float) -> str:
    """Why a product must not be offered at a moment; ``""`` where it may be."""
    if goods.available_from is not None and now < goods.available_from:
        return "It is not on sale yet: do not offer it."
    if goods.available_to is not None and now >= goods.available_to:
        return "It is not on sale any more: do not offer it."
    return ""


def _title(goods: Goods, language: str) -> str:
    """The title in a language, else in the wider one, else the shop's own."""
    titles = {tag.casefold(): title for tag, title in goods.titles}
    tag = language.casefold()
    while tag:
        if tag in titles:
            return titles[tag]
        tag = tag.rpartition("-")[0]
    return goods.title or goods.product_id


def _names(branch: Branch) -> tuple[str, str, str]:
    return branch.store_id, branch.name, branch.postal_code


def _store(branch: Branch) -> answers.Store:
    return answers.Store(
        store_id=branch.store_id,
        name=clean(branch.name),
        country_code=clean(branch.country_code),
        subdivision_code=clean(branch.subdivision_code),
        postal_code=clean(branch.postal_code),
        latitude=branch.latitude,
        longitude=branch.longitude,
        time_zone=branch.time_zone,
    )
