"""Questions and answers of the use cases, free of any transport."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.claims import Explanation
from recsvc.core.diversity import Diversity
from recsvc.core.places import Level, Location
from recsvc.core.sources import Strategy
from recsvc.core.stages import Stage
from recsvc.errors import InvalidRequestError
from recsvc.service.selling import NOTHING, Written

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100


def listed(page_size: int) -> int:
    """How many products a list of this ``page_size`` may hold.

    Raises:
        InvalidRequestError: it is negative.
    """
    if page_size < 0:
        raise InvalidRequestError(
            "page_size", f"{page_size} is negative; give 1 to {MAX_PAGE_SIZE}, or 0 for the default"
        )
    return min(page_size, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE


NOWHERE = Location()
EVERYTHING = CatalogueFilter()


class Question(NamedTuple):
    """What a caller asks, whatever the door; give its fields by name.

    A named tuple, since a call makes two of them, and to make a dataclass of so many fields takes
    six times as long.

    Attributes:
        customer_id: ``""`` for a visitor or nobody in particular.
        visitor_id: ``""`` for a customer or nobody in particular.
        session_id: of the visit, ``""`` not said; a lot may go by it where there is no other id.
        location: where the shopper is; nothing given is the customer's home.
        catalogue_filter: which products are allowed.
        strict: a category or brand that the catalogue does not know is an error.
        size: how many products at most, 1 to ``MAX_PAGE_SIZE``.
        excluded: product ids that must not be on the list.
        basket: product ids in the basket; they shape the list and are not on it.
        recent: product ids looked at in this visit; they shape the list.
        stage: how far the shopper has come.
        channel: the door that the list is shown through, as of ``Event``; ``""`` not said.
        placement_id: the spot where it is shown, ``""`` not said.
        currency: what the caller shows prices in, ISO 4217, ``""`` not said.
        language: of the sentences of reasons, BCP 47, ``""`` the shop's own.
        as_of_time: when recency is measured, unix seconds; None is now.
        explain: say why each product is there.
        include_products: add each product's catalogue entry.
        page: what the token of the page says, see ``service.pages``; empty for the first page.
        must_see: what the answer must know.
        experiment_id: the only one to take part in; ``""`` any.
        only_new: leave out what the customer has bought; None is as the shop has it.
        in_stock_only: leave out what is not known to be in stock at the place, likewise.
        diversity: how varied the list should be; None is as the shop has it.
    """

    customer_id: str = ""
    visitor_id: str = ""
    session_id: str = ""
    location: Location = NOWHERE
    catalogue_filter: CatalogueFilter = EVERYTHING
    strict: bool = False
    size: int = DEFAULT_PAGE_SIZE
    excluded: tuple[str, ...] = ()
    basket: tuple[str, ...] = ()
    recent: tuple[str, ...] = ()
    stage: Stage = Stage.ANY
    channel: str = ""
    placement_id: str = ""
    currency: str = ""
    language: str = ""
    as_of_time: float | None = None
    explain: bool = False
    include_products: bool = False
    page: bytes = b""
    must_see: Written = NOTHING
    experiment_id: str = ""
    only_new: bool | None = None
    in_stock_only: bool | None = None
    diversity: Diversity | None = None

    def settled(self, *, only_new: bool, in_stock_only: bool, diversity: Diversity) -> "Question":
        """The same with nothing left open."""
        # Each call does so, and _replace takes three times as long.
        return Question._make((*self[:-3], only_new, in_stock_only, diversity))

    @property
    def is_by_somebody(self) -> bool:
        """Whether it names who asks."""
        return bool(self.customer_id or self.visitor_id)

    @property
    def looks_at_shelf(self) -> bool:
        """Whether the answer depends on the stock, or the prices, of one store."""
        return bool(self.in_stock_only) or self.include_products or self.catalogue_filter.has_price

    def canonical(self) -> bytes:
        """All but shopper and page that the answer depends on, order without meaning aside."""
        wanted = self.catalogue_filter
        parts = (
            self.location.keys(),
            () if wanted is EVERYTHING or not wanted else _restricting(wanted),
            self.strict,
            self.size,
            # Few questions have any of them, and an empty tuple is none whatever its order.
            self.excluded and sorted(self.excluded),
            self.basket and sorted(self.basket),
            self.recent and sorted(self.recent),
            # By their names, as plain text: members of an enumeration take long to be written.
            ":".join((self.stage, self.diversity or "")),
            self.include_products and self.currency,
            self.explain and self.language,
            self.only_new,
            self.in_stock_only,
            self.as_of_time,
            self.explain,
            self.include_products,
        )
        return repr(parts).encode()


def _restricting(wanted: CatalogueFilter) -> tuple[object, ...]:
    """A filter, order without meaning aside."""
    return (
        sorted(wanted.category_paths),
        sorted(wanted.brands),
        wanted.has_price and (wanted.price_min, wanted.price_max, wanted.currency),
        sorted((name, sorted(values)) for name, values in wanted.attributes.items()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a product is on a list.

    Attributes:
        why: what is claimed, and the facts that it rests on.
        text: the same in one sentence.
        language_code: of the sentence, BCP 47.
        evidence: ids of the products that it rests on.
    """

    why: Explanation
    text: str
    language_code: str
    evidence: tuple[str, ...]


class Item(NamedTuple):
    """One product of a list; give its fields by name. A named tuple, as :class:`Question`.

    Attributes:
        product_id: the product.
        rank: from 1.
        score: comparable within the list alone.
        strategy: the source that put it there.
        level: finest level of the place that has sold it; None where no place shaped the list.
        reason: why it is there, if that was asked.
        product: its catalogue entry, if that was asked.
        rules: ids of the shop's rules that moved it there.
    """

    product_id: str
    rank: int
    score: float
    strategy: Strategy
    level: Level | None
    reason: Reason | None
    product: Product | None
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Need:
    """When a shopper needs a product again.

    Attributes:
        due_time: when that is expected, unix seconds.
        interval_seconds: the usual time between two purchases of it.
        quantity: how much of it is usually bought at once.
    """

    due_time: float
    interval_seconds: float
    quantity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReference:
    """Which version answered."""

    model_id: str
    version_id: str
    train_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A list, and what is true of it whenever it is sent.

    Attributes:
        items: the best first.
        model: the version that made it.
        location: the place that was used, level by level.
        level: the finest level of the place with evidence; None where no place shaped the list.
        warnings: in capitals, as the API lists them.
        next_page: what the token of the next page says; empty where there is none.
        rules_version_id: of the shop's rules that were in force, ``""`` none.
        applied_rules: ids of those that touched the list.
        store_id: the store whose stock and prices it goes by; ``""`` is the central stock, or none
            was looked at.
    """

    items: tuple[Item, ...]
    model: ModelReference
    location: Location
    level: Level | None
    warnings: tuple[str, ...]
    next_page: bytes = b""
    rules_version_id: str = ""
    applied_rules: tuple[str, ...] = ()
    store_id: str = ""


class ServedFrom(StrEnum):
    """How an answer came about."""

    MODEL = "MODEL"
    CACHE = "CACHE"
    STALE_CACHE = "STALE_CACHE"
    FALLBACK = "FALLBACK"


class Delivery(NamedTuple):
    """What differs between two deliveries of one answer.

    Attributes:
        recommendation_id: a new one each time.
        served_from: how it came about.
        compute_seconds: how long this call was worked on.
        cache_age_seconds: since it was computed; None where it was computed now.
        degraded_reason: why it is less than it should be, ``""`` where it is not.
        warnings: those of the moment, beside the answer's own.
        experiment_id: that it belongs to; ``""`` none.
        variant_id: of that experiment.
    """

    recommendation_id: str
    served_from: ServedFrom
    compute_seconds: float
    cache_age_seconds: float | None = None
    degraded_reason: str = ""
    warnings: tuple[str, ...] = ()
    experiment_id: str = ""
    variant_id: str = ""


class KeptList(NamedTuple):
    """What is told of an answer that was kept.

    Attributes:
        n_items: how many products are on it.
        product_ids: gives them.
    """

    n_items: int
    product_ids: Callable[[], Sequence[str]]


class AnswerCodec(Protocol):
    """How a door writes answers; the service keeps the bytes and does not look into them."""

    @property
    def schema(self) -> str:
        """Differs whenever the same answer would be written differently."""
        ...

    def encode(self, answer: Answer) -> bytes:
        """Return the bytes to send and to keep."""
        ...

    def kept(self, payload: bytes) -> KeptList | None:
        """Look into bytes that were kept; None where they cannot be sent any more.

        What it returns may be kept beside them, and holds on to nothing else.
        """
        ...
