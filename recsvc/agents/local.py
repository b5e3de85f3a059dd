"""A shop in this process: the use cases themselves, and no transport."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

from pydantic import TypeAdapter, ValidationError

from recsvc import __version__
from recsvc.agents.shop import Branch, Due, Goods, Offer, Offers, OnShelf, Opinion, Wish
from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, CatalogueFilter, Product
from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.identity import customer_hash
from recsvc.service.catalogue import MAX_PAGE_SIZE as MAX_STORES
from recsvc.service.catalogue import Catalogue
from recsvc.service.deliveries import Computed, Needed
from recsvc.service.events import Events
from recsvc.service.questions import Answer, Delivery, Item, KeptList, Question
from recsvc.service.recommendations import Recommendations
from recsvc.service.related import Related
from recsvc.service.shopping import Event, Line, Person, Shopper
from recsvc.service.stock import Stock

ANSWER_SECONDS = 2.0
"""How long a list may take."""

_SCHEMA: Final = 2
"""Raised whenever the same list would be written differently."""


class OffersCodec:
    """Writes lists as this door reads them, for the cache: no bytes of it are sent."""

    def __init__(self) -> None:
        self._adapter = TypeAdapter(Offers)
        self._schema = blake2b(f"agents|{_SCHEMA}|{__version__}".encode(), digest_size=8)

    @property
    def schema(self) -> str:
        """Another one than that of any other door, and of any other version."""
        return self._schema.hexdigest()

    def encode(self, answer: Answer) -> bytes:
        """Return the list as JSON."""
        return self._adapter.dump_json(offers_of(answer))

    def decode(self, payload: bytes) -> Offers:
        """The list that was written."""
        return self._adapter.validate_json(payload)

    def kept(self, payload: bytes) -> KeptList | None:
        """Look into bytes that were kept; None where they are no such list."""
        try:
            offers = self.decode(payload).offers
        except ValidationError:
            return None
        return KeptList(len(offers), lambda: [offer.goods.product_id for offer in offers])


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """The use cases that the tools need.

    Attributes:
        recommendations: whose codec is ``codec``.
        codec: reads what they have written.
        related: lists about products.
        catalogue: products and stores.
        stock: what is there.
        events: takes opinions in.
        hash_key: secret that customers' ids are hashed with.
    """

    recommendations: Recommendations
    codec: OffersCodec
    related: Related
    catalogue: Catalogue
    stock: Stock
    events: Events
    hash_key: bytes


class LocalShop:
    """Answers from the use cases.

    Args:
        uses: these.
        now: unix seconds.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        uses: Uses,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._uses = uses
        self._now = now
        self._monotonic = monotonic

    def recommend(self, wish: Wish) -> Offers:
        """List products for a customer and a place."""
        served = self._uses.recommendations.recommend(_question(wish), self._deadline)
        return _delivered(self._uses.codec.decode(served.payload), served.delivery)

    def similar(self, product_id: str, wish: Wish) -> Offers:
        """List products like one."""
        return _listed(self._uses.related.similar(product_id, _question(wish), self._deadline))

    def together(self, product_ids: Sequence[str], wish: Wish) -> Offers:
        """List what goes with products."""
        return _listed(self._uses.related.together(product_ids, _question(wish), self._deadline))

    def again(self, wish: Wish) -> Offers:
        """List what the customer needs again."""
        needed = self._uses.related.again(_question(wish), self._deadline)
        return _with_needs(needed)

    def product(self, product_id: str) -> Goods:
        """Describe a product."""
        listed = self._uses.catalogue.product(product_id)
        return replace(_goods(listed.product), is_withdrawn=listed.is_withdrawn)

    def shelf(self, store_id: str, product_ids: Sequence[str]) -> list[OnShelf]:
        """What is there of each at a store."""
        return [
            OnShelf()
            if record is None
            else OnShelf(
                is_in_stock=record.is_in_stock,
                quantity=record.quantity,
                price=record.price,
                currency=record.currency,
            )
            for record in self._uses.stock.get(store_id, product_ids)
        ]

    def stores(self, country_code: str) -> Iterator[Branch]:
        """Every store of a country, or of all."""
        after = ""
        while True:
            page = self._uses.catalogue.stores(MAX_STORES, after=after, country_code=country_code)
            for shop in page.stores:
                place = shop.location
                yield Branch(
                    store_id=place.store_id,
                    name=shop.name,
                    country_code=place.country_code,
                    subdivision_code=place.subdivision_code,
                    postal_code=place.postal_code,
                    latitude=shop.latitude,
                    longitude=shop.longitude,
                    time_zone=shop.time_zone,
                )
            if not page.last_id:
                return
            after = page.last_id

    def record(self, opinion: Opinion) -> str:
        """Store an opinion."""
        key = customer_hash(self._uses.hash_key, opinion.customer_id)
        event = Event(
            event_id=opinion.event_id,
            act=Act.FEEDBACK,
            shopper=Shopper(Person.CUSTOMER, opinion.customer_id, key),
            time=self._now(),
            lines=(Line(opinion.product_id),),
            recommendation_id=opinion.recommendation_id,
            channel=opinion.channel,
            rating=float(opinion.rating),
        )
        taken = self._uses.events.take([event], durable=False)
        return taken.outcomes[0].value

    @property
    def _deadline(self) -> float:
        return self._monotonic() + ANSWER_SECONDS


def offers_of(answer: Answer) -> Offers:
    """A list as the tools read it, without what differs by delivery."""
    return Offers(
        recommendation_id="",
        offers=tuple(map(_offer, answer.items)),
        store_id=answer.store_id,
        warnings=answer.warnings,
    )


def _offer(item: Item) -> Offer:
    product = item.product or Product(product_id=item.product_id)
    return Offer(goods=_goods(product), reason=item.reason.text if item.reason else "")


def _goods(product: Product) -> Goods:
    return Goods(
        product_id=product.product_id,
        title=product.title,
        titles=tuple(product.titles.items()),
        category_path=product.category_path,
        brand=product.brand,
        price=None if math.isnan(product.price) else product.price,
        currency=product.currency,
        uri=product.uri,
        image_uri=product.image_uri,
        is_sensitive=product.is_sensitive,
        available_from=None if product.available_from == ALWAYS_FROM else product.available_from,
        available_to=None if product.available_to == ALWAYS_TO else product.available_to,
    )


def _listed(computed: Computed) -> Offers:
    return _delivered(offers_of(computed.answer), computed.delivery)


def _with_needs(needed: Needed) -> Offers:
    offers = _delivered(offers_of(needed.answer), needed.delivery)
    pairs = zip(offers.offers, needed.needs, strict=True)
    return replace(
        offers,
        offers=tuple(
            replace(
                offer,
                due=Due(
                    time=datetime.fromtimestamp(need.due_time, UTC),
                    interval_days=need.interval_seconds / 86_400,
                    quantity=need.quantity,
                ),
            )
            for offer, need in pairs
        ),
    )


def _delivered(offers: Offers, delivery: Delivery) -> Offers:
    return replace(
        offers,
        recommendation_id=delivery.recommendation_id,
        warnings=(*offers.warnings, *delivery.warnings),
        degraded_reason=delivery.degraded_reason,
    )


def _question(wish: Wish) -> Question:
    return Question(
        customer_id=wish.customer_id,
        location=Location(store_id=wish.store_id),
        catalogue_filter=CatalogueFilter(
            category_paths=wish.categories,
            brands=wish.brands,
            price_max=wish.budget,
            currency=wish.currency,
        ),
        size=wish.size,
        excluded=wish.excluded,
        basket=wish.basket,
        channel=wish.channel,
        language=wish.language,
        only_new=wish.only_new or None,
        in_stock_only=wish.in_stock_only or None,
        explain=True,
        include_products=True,
    )
