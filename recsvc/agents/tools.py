"""The tools: what a model asks, put to the shop, and answered in words and figures for it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from recsvc.agents import answers
from recsvc.agents.advice import CONDITIONS, UNKNOWN_STORE, notes_of, simple_id
from recsvc.agents.arguments import (
    Again,
    Feedback,
    ListArguments,
    OneProduct,
    Recommend,
    Similar,
    Stores,
    Together,
)
from recsvc.agents.entries import off_sale, priced, product_fields, store_entry
from recsvc.agents.lists import Lists
from recsvc.agents.purse import sum_of
from recsvc.agents.shop import Branch, Goods, Offers, OnShelf, Opinion, Shop
from recsvc.agents.text import MAX_SENTENCE, clean
from recsvc.core.recommendation_id import Surface
from recsvc.errors import (
    InvalidRequestError,
    OverloadedError,
    StoreUnavailableError,
    UnavailableError,
)
from recsvc.service.deliveries import STORE_UNAVAILABLE

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
        self._lists = Lists(shop, channel)
        self._channel = channel
        self._now = now

    def recommend_products(self, asked: Recommend, caller: Caller) -> answers.Suggestions:
        """Recommend products to the customer, from past purchases and what sells at the store."""
        wish = replace(
            self._lists.wish(asked, caller.customer_id),
            basket=tuple(asked.basket),
            only_new=asked.only_new,
        )
        offers = self._lists.find(self._shop.recommend, wish, asked)
        return self._suggestions(offers, asked, Surface.RECOMMEND)

    def find_similar_products(self, asked: Similar, caller: Caller) -> answers.Suggestions:
        """List products like one, the most alike first: what to offer instead of it."""
        offers = self._lists.find(
            lambda wish: self._shop.similar(asked.product_id, wish),
            self._lists.wish(asked, caller.customer_id),
            asked,
            [asked.product_id],
        )
        return self._suggestions(offers, asked, Surface.SIMILAR)

    def find_bought_together(self, asked: Together, caller: Caller) -> answers.Suggestions:
        """List what is bought together with one product or a basket: what goes with it."""
        offers = self._lists.find(
            lambda wish: self._shop.together(asked.product_ids, wish),
            self._lists.wish(asked, caller.customer_id),
            asked,
            asked.product_ids,
        )
        return self._suggestions(offers, asked, Surface.TOGETHER)

    def buy_again(self, asked: Again, caller: Caller) -> answers.Needs:
        """List what the customer buys again and again, the most overdue first."""
        _require_customer(caller)
        offers = self._lists.find(
            self._shop.again, self._lists.wish(asked, caller.customer_id), asked
        )
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
            raise InvalidRequestError(
                "product_id",
                "it was withdrawn from sale, and must not be offered; give one that an answer "
                "has named",
                reason="PRODUCT_NOT_FOUND",
            )
        store_id = asked.store_id or ""
        (shelf,), notes = self._shelf(store_id, [goods])
        is_known = shelf != OnShelf()
        # All stores are looked through only where this one has said nothing of the product.
        if store_id and not is_known and not notes:
            is_known, why = self._why_nothing(store_id)
            notes = [why]
        unsold = off_sale(goods, self._now())
        return answers.ProductEntry(
            store_id=store_id if is_known else simple_id(store_id),
            product=answers.Product(**product_fields(priced(goods, shelf), shelf, asked.language)),
            on_sale=not unsold,
            notes=[*filter(None, [unsold]), *notes],
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
            stores=[store_entry(branch) for branch in found[: asked.how_many]],
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

    def _suggestions(
        self, offers: Offers, asked: ListArguments, surface: Surface
    ) -> answers.Suggestions:
        goods = [offer.goods for offer in offers.offers]
        shelf, more = [OnShelf()] * len(goods), list[str]()
        if offers.degraded_reason != STORE_UNAVAILABLE:  # else it was asked in vain just now
            shelf, more = self._shelf(offers.store_id, goods)
        warnings = (*offers.warnings, offers.degraded_reason)
        conditions = [name for name in CONDITIONS if getattr(asked, name, None)]
        notes = notes_of(warnings, surface, conditions, is_empty=not offers.offers)
        total = sum_of(offer.goods for offer in offers.offers)
        return answers.Suggestions(
            recommendation_id=offers.recommendation_id,
            # That of a store that nobody knows is what was sent as one.
            store_id=simple_id(offers.store_id) if UNKNOWN_STORE in warnings else offers.store_id,
            products=[
                answers.Suggestion(
                    **product_fields(offer.goods, on_shelf, asked.language),
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

    def _why_nothing(self, store_id: str) -> tuple[bool, str]:
        """Whether a store that has said nothing of a product is known, and what to say of it.

        The product stands without its store.
        """
        try:
            is_known = any(branch.store_id == store_id for branch in self._shop.stores(""))
        except _NO_ANSWER:
            return False, _NOTHING_THERE
        return is_known, _NOTHING_THERE if is_known else _NO_STORE

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


def _names(branch: Branch) -> tuple[str, str, str]:
    return branch.store_id, branch.name, branch.postal_code
