"""What the tools need of a shop, whether it is in this process or behind gRPC."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a list is asked for; ``""``, empty and False leave it to the shop and its rules.

    Attributes:
        customer_id: who the list is for, ``""`` nobody in particular.
        size: how many products at most.
        store_id: where.
        categories, brands: which products.
        budget: the highest price of one product, None any.
        currency: of the budget.
        excluded: product ids that must not be listed.
        basket: product ids that are in the basket.
        in_stock_only: only what is in stock at the store.
        only_new: nothing that the customer has bought.
        language: of titles and reasons, BCP 47.
        channel: the door: ``AGENT`` or ``CHAT``.
    """

    customer_id: str = ""
    size: int = 10
    store_id: str = ""
    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    budget: float | None = None
    currency: str = ""
    excluded: tuple[str, ...] = ()
    basket: tuple[str, ...] = ()
    in_stock_only: bool = False
    only_new: bool = False
    language: str = ""
    channel: str = "AGENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """One product as the catalogue has it, untrusted as its texts are.

    Attributes:
        product_id: the shop's id.
        title, category_path, brand, uri, image_uri: ``""`` unknown.
        titles: by language.
        price: of one unit at the store, None unknown.
        currency: of the price.
        is_sensitive: whether it is named only to who asks for it.
        is_withdrawn: whether it was recalled.
        available_from, available_to: between which moments it is sold, unix seconds, the latter
            excluded; None no end.
    """

    product_id: str
    title: str = ""
    titles: tuple[tuple[str, str], ...] = ()
    category_path: str = ""
    brand: str = ""
    price: float | None = None
    currency: str = ""
    uri: str = ""
    image_uri: str = ""
    is_sensitive: bool = False
    is_withdrawn: bool = False
    available_from: int | None = None
    available_to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """When a customer needs a product again.

    Attributes:
        time: when that is expected.
        interval_days: usually between two purchases.
        quantity: usually bought at once.
    """

    time: datetime
    interval_days: float
    quantity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One product of a list.

    Attributes:
        goods: the product.
        reason: why it is there, one sentence.
        due: when it is needed again, in lists of that alone.
    """

    goods: Goods
    reason: str
    due: Due | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """A list.

    Attributes:
        recommendation_id: its id.
        offers: the best first.
        store_id: the store that prices and stock are of, ``""`` the central stock.
        warnings: in capitals, as the API has them.
        degraded_reason: why it is less than it should be, likewise.
    """

    recommendation_id: str
    offers: tuple[Offer, ...]
    store_id: str
    warnings: tuple[str, ...] = ()
    degraded_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnShelf:
    """What is there of a product at a store.

    Attributes:
        is_in_stock: None nobody has said.
        quantity: None not counted.
        price: of one unit there, None the product's own.
        currency: of the price.
    """

    is_in_stock: bool | None = None
    quantity: float | None = None
    price: float | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One store; ``""`` and None are unknown."""

    store_id: str
    name: str = ""
    country_code: str = ""
    subdivision_code: str = ""
    postal_code: str = ""
    latitude: float | None = None
    longitude: float | None = None
    time_zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a customer thinks of a product of a list.

    Attributes:
        event_id: the same where the same opinion is sent again, so that it counts once.
        customer_id: whose it is.
        product_id: of what.
        rating: from 1 (not at all) to 5 (very much).
        recommendation_id: of the list.
        channel: the door.
    """

    event_id: str
    customer_id: str
    product_id: str
    rating: int
    recommendation_id: str
    channel: str


class Shop(Protocol):
    """Answers the tools; safe to call from many threads.

    Every method raises errors of ``recsvc.errors``, ``UnavailableError`` or
    ``StoreUnavailableError`` where there is no answer now.
    """

    def recommend(self, wish: Wish) -> Offers:
        """List products for a customer and a place."""
        ...

    def similar(self, product_id: str, wish: Wish) -> Offers:
        """List products like one; ``NotFoundError`` where there is no such product."""
        ...

    def together(self, product_ids: Sequence[str], wish: Wish) -> Offers:
        """List what goes with products; ``NotFoundError`` where there is none of them."""
        ...

    def again(self, wish: Wish) -> Offers:
        """List what the customer, who must be given, needs again."""
        ...

    def product(self, product_id: str) -> Goods:
        """Describe a product; ``NotFoundError`` where there is no such product."""
        ...

    def shelf(self, store_id: str, product_ids: Sequence[str]) -> list[OnShelf]:
        """What is there of each at a store; ``""`` is the central stock."""
        ...

    def stores(self, country_code: str) -> Iterator[Branch]:
        """Every store of a country, or of all, by id."""
        ...

    def record(self, opinion: Opinion) -> str:
        """Store an opinion; returns what became of it, as the API names outcomes."""
        ...
