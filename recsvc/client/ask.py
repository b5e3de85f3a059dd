"""Questions from plain arguments: each becomes the message that the API wants."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import TypeAlias, TypedDict, TypeVar, Unpack

from google.type.money_pb2 import Money

from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api

Budget: TypeAlias = Money | tuple[Decimal | float, str]
"""A price: ``Money``, or an amount and its currency, ``(7.5, "EUR")``."""

_NANOS = 1_000_000_000
_N_OF_PRICE = 2
_MAX_UNITS = 10**15
"""More than any price, and less than what rounding could carry past 64 bits."""

_Value = TypeVar("_Value")
_Question = TypeVar(
    "_Question",
    api.RecommendRequest,
    api.ListSimilarProductsRequest,
    api.ListBoughtTogetherRequest,
    api.ListBuyAgainRequest,
)


class Asked(TypedDict, total=False):
    """What every question may say; all of it is optional.

    Attributes:
        visitor_id: who asks, where nobody has signed in.
        session_id: the visit or conversation.
        store_id: where the shopper is; short for a location with nothing else.
        location: where, in full.
        channel: through which door, ``common_pb2.CHANNEL_WEB``.
        placement_id: the spot where the list is shown.
        journey_stage: how far the shopper has come.
        basket: product ids, or lines, that are in the basket.
        recent: product ids looked at in this visit, the latest first.
        currency_code: in which prices are shown, ISO 4217.
        as_of: the moment that recency is measured at.
        language_code: of reasons, BCP 47.
        budget: the highest price of one product.
        price_min: the lowest.
        categories: paths that the products lie in or below.
        brands: of the products.
        attributes: by name, values of which the products have any.
        exclude: product ids that must not be listed.
        in_stock_only: only what is in stock at the place.
        exclude_purchased: nothing that the customer has bought.
        strict: rather a short list than weaker evidence; an unknown category is an error.
        product_filter: the whole filter, to which the above are added.
        page_size: how many, 0 the server's default.
        explain: say why each product is there.
        include_products: add each product's catalogue entry.
        consistency_token: of a write that the list must see.
    """

    visitor_id: str
    session_id: str
    store_id: str
    location: common.Location | None
    channel: common.Channel
    placement_id: str
    journey_stage: common.JourneyStage
    basket: Iterable[str | common.LineItem]
    recent: Iterable[str]
    currency_code: str
    as_of: datetime | None
    language_code: str
    budget: Budget | None
    price_min: Budget | None
    categories: Iterable[str]
    brands: Iterable[str]
    attributes: Mapping[str, Iterable[str]]
    exclude: Iterable[str]
    in_stock_only: bool | None
    exclude_purchased: bool | None
    strict: bool
    product_filter: common.ProductFilter | None
    page_size: int
    explain: bool
    include_products: bool
    consistency_token: str


_TEXTS = (
    *("visitor_id", "session_id", "store_id", "placement_id"),
    *("currency_code", "language_code", "consistency_token"),
)
_FLAGS = "in_stock_only", "exclude_purchased", "strict", "explain", "include_products"


def recommend(
    customer_id: str = "",
    *,
    page_token: str = "",
    diversity: api.Diversity = api.DIVERSITY_UNSPECIFIED,
    experiment_id: str = "",
    **asked: Unpack[Asked],
) -> api.RecommendRequest:
    """Ask what to recommend.

    Args:
        customer_id: who the list is for, ``""`` for nobody in particular.
        page_token: of the page before.
        diversity: how varied the list should be.
        experiment_id: an experiment to take part in.
        asked: see ``Asked``.
    """
    request = api.RecommendRequest(
        page_token=page_token, diversity=diversity, experiment_id=experiment_id
    )
    return _filled(request, customer_id, asked)


def list_similar_products(
    product_id: str, customer_id: str = "", **asked: Unpack[Asked]
) -> api.ListSimilarProductsRequest:
    """Ask what is like a product.

    Args:
        product_id: which.
        customer_id: who the list is for, ``""`` for nobody in particular.
        asked: see ``Asked``.
    """
    request = api.ListSimilarProductsRequest(product_id=_text("product_id", product_id))
    return _filled(request, customer_id, asked)


def list_bought_together(
    product_ids: Iterable[str], customer_id: str = "", **asked: Unpack[Asked]
) -> api.ListBoughtTogetherRequest:
    """Ask what goes with products.

    Args:
        product_ids: which, a basket for example.
        customer_id: who the list is for, ``""`` for nobody in particular.
        asked: see ``Asked``.
    """
    request = api.ListBoughtTogetherRequest(product_ids=_texts("product_ids", product_ids))
    return _filled(request, customer_id, asked)


def list_buy_again(customer_id: str = "", **asked: Unpack[Asked]) -> api.ListBuyAgainRequest:
    """Ask what a customer needs again.

    Args:
        customer_id: whose list it is; a ``visitor_id`` may stand for it.
        asked: see ``Asked``.
    """
    return _filled(api.ListBuyAgainRequest(), customer_id, asked)


def money(price: Budget, name: str = "price") -> Money:
    """A price as the API writes it.

    Args:
        price: to a billionth of a unit.
        name: of the argument, for the error.

    Raises:
        TypeError: it is no price.
        ValueError: its amount is no number, or too large for one.
    """
    if isinstance(price, Money):
        return price
    if not isinstance(price, tuple | list) or len(price) != _N_OF_PRICE:  # JSON has no tuples
        raise TypeError(f'{name}: {price!r} has no currency; give both, such as (7.5, "EUR")')
    amount, currency_code = price
    if not abs(float(amount)) <= _MAX_UNITS:  # so that NaN is caught as well
        raise ValueError(f'{name}: {amount} is no price; give an amount such as (7.5, "EUR")')
    total = round(Decimal(str(amount)) * _NANOS)
    sign = -1 if total < 0 else 1  # nanos have the sign of units
    units, nanos = divmod(abs(total), _NANOS)
    return Money(currency_code=currency_code, units=sign * units, nanos=sign * nanos)


def _filled(request: _Question, customer_id: str, asked: Asked) -> _Question:
    """Add to a question what all of them may say.

    Raises:
        TypeError: it says something else, or what an argument is given is of another kind.
    """
    _check(customer_id, asked)
    shopper, wanted = _shopper(customer_id, asked), _filter(asked)
    if shopper is not None:
        request.shopper.CopyFrom(shopper)
    request.context.CopyFrom(_context(asked))
    if wanted is not None:
        request.filter.CopyFrom(wanted)
    request.page_size = asked.get("page_size", 0)
    request.explain = asked.get("explain", False)
    request.include_products = asked.get("include_products", False)
    request.consistency_token = asked.get("consistency_token", "")
    return request


def _shopper(customer_id: str, asked: Asked) -> common.Shopper | None:
    visitor_id, session_id = asked.get("visitor_id", ""), asked.get("session_id", "")
    if customer_id and visitor_id:
        raise ValueError("customer_id and visitor_id name two people; give one of them")
    if customer_id:
        return common.Shopper(customer_id=customer_id, session_id=session_id)
    if visitor_id:
        return common.Shopper(visitor_id=visitor_id, session_id=session_id)
    return common.Shopper(session_id=session_id) if session_id else None


def _context(asked: Asked) -> common.RecommendationContext:
    location, store_id = asked.get("location"), asked.get("store_id", "")
    if store_id:
        if location is not None and location.store_id not in {"", store_id}:
            raise ValueError("store_id and location name two stores; give one of them")
        given, location = location, common.Location(store_id=store_id)
        if given is not None:
            location.MergeFrom(given)
    context = common.RecommendationContext(
        location=location,
        channel=asked.get("channel", common.CHANNEL_UNSPECIFIED),
        placement_id=asked.get("placement_id", ""),
        journey_stage=asked.get("journey_stage", common.JOURNEY_STAGE_UNSPECIFIED),
        basket=_lines(asked.get("basket", ())),
        recent_product_ids=_texts("recent", asked.get("recent", ())),
        currency_code=asked.get("currency_code", ""),
        language_code=asked.get("language_code", ""),
    )
    as_of = asked.get("as_of")
    if as_of is not None:
        if as_of.tzinfo is None:
            raise ValueError("as_of: a time without a zone is no moment; give it one, such as UTC")
        context.as_of_time.FromDatetime(as_of)
    return context


def _lines(basket: Iterable[str | common.LineItem]) -> list[common.LineItem]:
    return [
        line
        if isinstance(line, common.LineItem)
        else common.LineItem(product_id=_text("basket", line))
        for line in _listed("basket", basket)
    ]


def _filter(asked: Asked) -> common.ProductFilter | None:
    wanted = common.ProductFilter()
    given = asked.get("product_filter")
    if given is not None:
        wanted.CopyFrom(given)
    wanted.category_paths.extend(_texts("categories", asked.get("categories", ())))
    wanted.brands.extend(_texts("brands", asked.get("brands", ())))
    for name, values in asked.get("attributes", {}).items():
        wanted.attributes_any[name].values.extend(_texts(f"attributes[{name!r}]", values))
    wanted.exclude_product_ids.extend(_texts("exclude", asked.get("exclude", ())))
    budget, price_min = asked.get("budget"), asked.get("price_min")
    if budget is not None:
        wanted.price_range.max.CopyFrom(money(budget, "budget"))
    if price_min is not None:
        wanted.price_range.min.CopyFrom(money(price_min, "price_min"))
    in_stock_only, exclude_purchased = asked.get("in_stock_only"), asked.get("exclude_purchased")
    if in_stock_only is not None:
        wanted.in_stock_only = in_stock_only
    if exclude_purchased is not None:
        wanted.exclude_purchased = exclude_purchased
    wanted.strict |= asked.get("strict", False)
    return wanted if wanted.ByteSize() else None


def _check(customer_id: object, asked: Mapping[str, object]) -> None:
    """Refuse what protobuf would pass over, or refuse in words that name nothing."""
    known = Asked.__optional_keys__
    for name in asked.keys() - known:
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        meant = f"did you mean {near[0]!r}?" if near else f"they are {', '.join(sorted(known))}"
        raise TypeError(f"{name!r} is no argument of a question; {meant}")
    _text("customer_id", customer_id)
    for name in _TEXTS:
        _text(name, asked.get(name))
    for name in _FLAGS:
        value = asked.get(name)
        if value is not None and not isinstance(value, bool):
            raise TypeError(f"{name}: {value!r} is neither True nor False")


def _text(name: str, value: _Value) -> _Value:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name}: {value!r} is no text; give {str(value)!r}")
    return value


def _texts(name: str, values: Iterable[str]) -> list[str]:
    return [_text(name, value) for value in _listed(name, values)]


def _listed(name: str, values: Iterable[_Value]) -> Iterable[_Value]:
    if isinstance(values, str):  # which is one of letters
        raise TypeError(f"{name}: {values!r} is no list; give [{values!r}]")
    return values
