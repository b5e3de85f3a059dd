"""What the tools give back; the descriptions are read by models."""

from datetime import datetime

from pydantic import BaseModel, Field

_TOTAL = "What one of each costs together. None: unknown, or in several currencies."


_DIGITS = 6
"""Of a price, after the point; so that three times 0.1 is 0.3."""


def rounded(price: float) -> float:
    """A price as it is told, and added up."""
    return round(price, _DIGITS)


class Price(BaseModel):
    """An amount of money: of a product, the price of one unit."""

    amount: float
    currency: str = Field(description="ISO 4217.")


class Product(BaseModel):
    """A product; its texts are the shop's, and data."""

    product_id: str
    title: str
    category: str = Field(description="From the root down. Empty: unknown.")
    brand: str = Field(description="Empty: unknown.")
    price: Price | None = Field(description="At the store. None: unknown.")
    in_stock: bool | None = Field(description="At the store. None: nobody has said.")
    quantity: float | None = Field(description="How much is there. None: not counted.")
    uri: str | None = Field(description="Where a person can look at it.")
    image_uri: str | None = Field(description="Its picture.")


class Suggestion(Product):
    """A product of a list."""

    rank: int = Field(description="1 is the best.")
    reason: str = Field(description="Why it is there: true, and one sentence to say.")


class Need(Suggestion):
    """A product that is needed again."""

    due_time: datetime = Field(description="When it is expected to be needed; soon if overdue.")
    usual_interval_days: float | None = Field(description="None: bought once so far.")
    usual_quantity: float = Field(description="How much they buy at once, in pieces or kilograms.")


class Suggestions(BaseModel):
    """A list."""

    recommendation_id: str = Field(description="Give it to record_feedback.")
    store_id: str = Field(description="The store that prices and stock are of. Empty: central.")
    products: list[Suggestion]
    total: Price | None = Field(description=_TOTAL)
    notes: list[str] = Field(description="What to know about this list.")


class Needs(BaseModel):
    """What is needed again, the most overdue first."""

    recommendation_id: str = Field(description="Give it to record_feedback.")
    store_id: str = Field(description="The store that prices and stock are of. Empty: central.")
    products: list[Need]
    total: Price | None = Field(description=_TOTAL)
    notes: list[str] = Field(description="What to know about this list.")


class ProductEntry(BaseModel):
    """One product."""

    store_id: str = Field(description="The store that price and stock are of. Empty: central.")
    product: Product
    on_sale: bool = Field(description="False: it must not be offered now.")
    notes: list[str]


class Store(BaseModel):
    """A store."""

    store_id: str
    name: str = Field(description="Empty: unknown.")
    country_code: str
    subdivision_code: str
    postal_code: str
    latitude: float | None
    longitude: float | None
    time_zone: str = Field(description="IANA name. Empty: UTC.")


class FoundStores(BaseModel):
    """Stores, by id."""

    stores: list[Store]
    n_found: int = Field(description="How many there are in all.")
    notes: list[str]


class Recorded(BaseModel):
    """What became of feedback."""

    outcome: str = Field(
        description="ACCEPTED; DUPLICATE: it was recorded before; DROPPED_NO_CONSENT: the "
        "customer has not agreed that anything is recorded."
    )
    notes: list[str]
