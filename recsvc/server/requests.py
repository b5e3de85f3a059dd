"""Requests into questions: every limit that the API promises is checked here, once."""

from collections.abc import Mapping, Sequence

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from google.type.money_pb2 import Money

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.diversity import Diversity
from recsvc.core.places import Location
from recsvc.core.stages import Stage
from recsvc.errors import InvalidRequestError
from recsvc.server.fields import (
    MAX_ENTRIES,
    MAX_ID_BYTES,
    MAX_PATH_BYTES,
    NANOS,
    check_count,
    check_currency,
    check_id,
    check_language,
    no_message,
    read_choice,
    read_ids,
    read_location,
    read_texts,
)
from recsvc.server.tokens import ConsistencyTokens, Tokens
from recsvc.service.questions import NOWHERE, Question, listed
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api

MAX_ATTRIBUTES = 20
MAX_EXCLUDED = 1000
MAX_BATCH = 100
MAX_MARK_BYTES = 256

_DIVERSITIES = {api.Diversity.Value(f"DIVERSITY_{level.name}"): level for level in Diversity}
_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800
"""The range of a Timestamp, unix seconds."""


def recommend_request(data: bytes) -> api.RecommendRequest:
    """Read the bytes of a ``RecommendRequest``.

    Raises:
        InvalidRequestError: they are none.
    """
    try:
        return api.RecommendRequest.FromString(data)
    except DecodeError as error:
        raise no_message() from error


def recommend_question(request: api.RecommendRequest, tokens: Tokens) -> Question:
    """Read a ``RecommendRequest``.

    Args:
        request: as sent.
        tokens: reads tokens.

    Raises:
        InvalidRequestError: a field is outside its limits, the filter asks for what there is
            not, or a token was not made here.
    """
    return _question(
        request,
        tokens.consistency,
        page=tokens.pages.read(request.page_token),
        diversity=_diversity(request.diversity),
        experiment_id=check_id("experiment_id", request.experiment_id),
    )


def _diversity(value: int) -> Diversity | None:
    """Read a level; None where none is given.

    Raises:
        InvalidRequestError: it is none that is known here.
    """
    if value == api.DIVERSITY_UNSPECIFIED:
        return None
    if value not in _DIVERSITIES:
        raise InvalidRequestError("diversity", f"{value} is no level that is known here")
    return _DIVERSITIES[value]


def similar_question(request: api.ListSimilarProductsRequest, tokens: Tokens) -> Question:
    """Read a ``ListSimilarProductsRequest``, its product aside.

    Raises:
        InvalidRequestError: as for ``recommend_question``.
    """
    check_id("product_id", request.product_id, required=True)
    return _question(request, tokens.consistency)


def together_question(request: api.ListBoughtTogetherRequest, tokens: Tokens) -> Question:
    """Read a ``ListBoughtTogetherRequest``, its products aside.

    Raises:
        InvalidRequestError: as for ``recommend_question``.
    """
    if not request.product_ids:
        raise InvalidRequestError("product_ids", f"is empty; give 1 to {MAX_ENTRIES}")
    read_ids("product_ids", request.product_ids, MAX_ENTRIES)
    return _question(request, tokens.consistency)


def again_question(request: api.ListBuyAgainRequest, tokens: Tokens) -> Question:
    """Read a ``ListBuyAgainRequest``.

    Raises:
        InvalidRequestError: as for ``recommend_question``.
    """
    return _question(request, tokens.consistency)


def check_streamed(request: api.StreamBatchRecommendRequest) -> None:
    """Check a question of a stream, its own fields aside.

    Raises:
        InvalidRequestError: its mark is too long, or there is no question.
    """
    n_bytes = len(request.correlation_id.encode())
    if n_bytes > MAX_MARK_BYTES:
        raise InvalidRequestError(
            "correlation_id", f"has {n_bytes} bytes; give at most {MAX_MARK_BYTES}"
        )
    if not request.HasField("request"):
        raise InvalidRequestError("request", "is missing; an empty one asks for nobody, nowhere")


def _question(
    request: api.RecommendRequest
    | api.ListSimilarProductsRequest
    | api.ListBoughtTogetherRequest
    | api.ListBuyAgainRequest,
    tokens: ConsistencyTokens,
    *,
    page: bytes = b"",
    diversity: Diversity | None = None,
    experiment_id: str = "",
) -> Question:
    """Read what all questions have, with what only some have already read."""
    shopper, context = request.shopper, request.context
    question = Question(
        customer_id=check_id("shopper.customer_id", shopper.customer_id),
        visitor_id=check_id("shopper.visitor_id", shopper.visitor_id),
        session_id=check_id("shopper.session_id", shopper.session_id),
        location=_location(context),
        size=listed(request.page_size),
        basket=_basket(context.basket),
        recent=read_ids("context.recent_product_ids", context.recent_product_ids, MAX_ENTRIES),
        stage=read_stage("context.journey_stage", context.journey_stage),
        channel=read_choice("context.channel", context.channel, common.Channel),
        placement_id=check_id("context.placement_id", context.placement_id),
        currency=check_currency("context.currency_code", context.currency_code),
        language=check_language("context.language_code", context.language_code),
        as_of_time=_as_of_time(context),
        explain=request.explain,
        include_products=request.include_products,
        diversity=diversity,
        page=page,
        must_see=tokens.read(request.consistency_token),
        experiment_id=experiment_id,
    )
    return _filtered(question, request.filter) if request.HasField("filter") else question


def _filtered(question: Question, wanted: common.ProductFilter) -> Question:
    """A question about some products only."""
    return question._replace(
        catalogue_filter=_catalogue_filter(wanted),
        strict=wanted.strict,
        excluded=read_ids("filter.exclude_product_ids", wanted.exclude_product_ids, MAX_EXCLUDED),
        only_new=wanted.exclude_purchased if wanted.HasField("exclude_purchased") else None,
        in_stock_only=wanted.in_stock_only if wanted.HasField("in_stock_only") else None,
    )


def _location(context: common.RecommendationContext) -> Location:
    if not context.HasField("location"):
        return NOWHERE
    return read_location("context.location", context.location)


def read_stage(path: str, value: int) -> Stage:
    """Read how far a shopper has come.

    Raises:
        InvalidRequestError: it is no such stage.
    """
    return Stage[read_choice(path, value, common.JourneyStage)] if value else Stage.ANY


def _as_of_time(context: common.RecommendationContext) -> float | None:
    if not context.HasField("as_of_time"):
        return None
    time = context.as_of_time
    if not (_YEAR_1 <= time.seconds < _YEAR_10000 and 0 <= time.nanos < NANOS):
        raise InvalidRequestError("context.as_of_time", "is no time from year 1 to 9999")
    return float(time.seconds + time.nanos / NANOS)


def _check_supported(wanted: common.ProductFilter) -> None:
    """Refuse what a filter asks for and this version cannot do: it is never ignored."""
    for part, path in ((wanted, "filter"), (wanted.price_range, "filter.price_range")):
        unknown = UnknownFieldSet(part)
        if len(unknown):
            raise _unsupported(path, f"field number {unknown[0].field_number} is not known here")


def _unsupported(field: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(
        field, f"{why}; leave that condition out", reason="FILTER_UNSUPPORTED"
    )


def _catalogue_filter(wanted: common.ProductFilter) -> CatalogueFilter:
    _check_supported(wanted)
    price_min, min_currency = _price("filter.price_range.min", wanted.price_range, "min")
    price_max, max_currency = _price("filter.price_range.max", wanted.price_range, "max")
    if price_min is not None and price_max is not None:
        if min_currency != max_currency:
            raise InvalidRequestError("filter.price_range", "min and max differ in currency")
        if price_min > price_max:
            raise InvalidRequestError("filter.price_range", "min is above max")
    return CatalogueFilter(
        category_paths=read_texts("filter.category_paths", wanted.category_paths, MAX_PATH_BYTES),
        brands=read_texts("filter.brands", wanted.brands, MAX_ID_BYTES),
        price_min=price_min,
        price_max=price_max,
        currency=min_currency or max_currency,
        attributes=_attributes(wanted.attributes_any),
    )


def _attributes(wanted: Mapping[str, common.AttributeValues]) -> dict[str, tuple[str, ...]]:
    path = "filter.attributes_any"
    check_count(path, len(wanted), MAX_ATTRIBUTES)
    found = {}
    for name, values in wanted.items():
        own = f"{path}[{check_id(path, name, required=True)[:40]!r}]"
        if not values.values:
            raise InvalidRequestError(own, "has no values; give at least one, or leave it out")
        found[name] = read_texts(own, values.values, MAX_ID_BYTES)
    return found


def _price(path: str, prices: common.PriceRange, end: str) -> tuple[float | None, str]:
    if not prices.HasField(end):
        return None, ""
    money: Money = getattr(prices, end)
    if not money.currency_code:
        raise InvalidRequestError(f"{path}.currency_code", "is required")
    check_currency(f"{path}.currency_code", money.currency_code)
    if abs(money.nanos) >= NANOS or money.units * money.nanos < 0:
        raise InvalidRequestError(
            f"{path}.nanos", "must be below one unit and have the sign of units"
        )
    return money.units + money.nanos / NANOS, money.currency_code


def _basket(lines: Sequence[common.LineItem]) -> tuple[str, ...]:
    if not lines:
        return ()
    path = "context.basket"
    check_count(path, len(lines), MAX_ENTRIES)
    for index, line in enumerate(lines):
        check_id(f"{path}[{index}].product_id", line.product_id, required=True)
        if not line.quantity >= 0:
            raise InvalidRequestError(f"{path}[{index}].quantity", "must not be negative")
        if line.unit_price.units < 0 or line.unit_price.nanos < 0:
            raise InvalidRequestError(f"{path}[{index}].unit_price", "must not be negative")
    return tuple(line.product_id for line in lines)
