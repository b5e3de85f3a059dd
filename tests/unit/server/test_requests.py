"""Every limit that the API promises, at its edge and beyond."""

from collections.abc import Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.latlng_pb2 import LatLng
from google.type.money_pb2 import Money

from recsvc.core.cells import cell_of
from recsvc.core.diversity import Diversity
from recsvc.core.stages import Stage
from recsvc.errors import InvalidRequestError
from recsvc.server import requests
from recsvc.server.fields import check_id
from recsvc.server.tokens import Tokens
from recsvc.service.questions import Question
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api

Request = api.RecommendRequest
TOKENS = Tokens.of(b"key")


def recommend_question(request: Request) -> Question:
    return requests.recommend_question(request, TOKENS)


def similar_question(request: api.ListSimilarProductsRequest) -> Question:
    return requests.similar_question(request, TOKENS)


def refused(request: Request) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        recommend_question(request)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    return caught.value


def shopper(**ids: str) -> Request:
    return Request(shopper=common.Shopper(**ids))


def at(**fields: str | LatLng) -> Request:
    location = common.Location(**fields)
    return Request(context=common.RecommendationContext(location=location))


def point(latitude: float, longitude: float) -> Request:
    return at(lat_lng=LatLng(latitude=latitude, longitude=longitude))


def context(set_fields: Callable[[common.RecommendationContext], object]) -> Request:
    request = Request()
    set_fields(request.context)
    return request


def allowing(set_fields: Callable[[common.ProductFilter], object]) -> Request:
    request = Request()
    set_fields(request.filter)
    return request


def prices(low: Money | None, high: Money | None) -> Request:
    return Request(filter=common.ProductFilter(price_range=common.PriceRange(min=low, max=high)))


def gbp(units: int, nanos: int = 0) -> Money:
    return Money(currency_code="GBP", units=units, nanos=nanos)


def basket(**line: str | float | Money) -> Request:
    item = common.LineItem(**line)  # type: ignore[arg-type]  # each of its own type
    return context(lambda c: c.basket.append(item))


BEYOND = {
    "page_size": Request(page_size=-1),
    "shopper.customer_id": shopper(customer_id="x" * 100_000),
    "shopper.visitor_id": shopper(visitor_id="é" * 129),
    "shopper.session_id": shopper(session_id="x" * 257),
    "experiment_id": Request(experiment_id="x" * 257),
    "consistency_token": Request(consistency_token="c1"),  # noqa: S106  # no secret
    "context.placement_id": context(lambda c: setattr(c, "placement_id", "x" * 257)),
    "context.currency_code": context(lambda c: setattr(c, "currency_code", "euro")),
    "context.language_code": context(lambda c: setattr(c, "language_code", "x" * 36)),
    "context.channel": context(lambda c: setattr(c, "channel", 99)),
    "context.journey_stage": context(lambda c: setattr(c, "journey_stage", 99)),
    "context.as_of_time": context(
        lambda c: c.as_of_time.CopyFrom(Timestamp(seconds=253_402_300_800))
    ),
    "context.recent_product_ids": context(lambda c: c.recent_product_ids.extend(["x"] * 101)),
    "context.recent_product_ids[1]": context(
        lambda c: c.recent_product_ids.extend(["x", "y" * 257])
    ),
    "context.basket": context(lambda c: c.basket.extend([common.LineItem(product_id="x")] * 101)),
    "context.basket[0].product_id": basket(quantity=1),
    "context.basket[0].quantity": basket(product_id="x", quantity=-1),
    "context.basket[0].unit_price": basket(product_id="x", unit_price=gbp(-1)),
    "context.location.country_code": at(country_code="de"),
    "context.location.subdivision_code": at(subdivision_code="Bavaria"),
    "context.location.postal_code": at(postal_code="1" * 33),
    "context.location.store_id": at(store_id="x" * 257),
    "context.location.lat_lng.latitude": point(90.1, 0),
    "context.location.lat_lng.longitude": point(0, -180.1),
    "filter.category_paths": allowing(lambda f: f.category_paths.extend(["x"] * 101)),
    "filter.category_paths[0]": allowing(lambda f: f.category_paths.append("x" * 1001)),
    "filter.brands": allowing(lambda f: f.brands.extend(["x"] * 101)),
    "filter.brands[0]": allowing(lambda f: f.brands.append("x" * 257)),
    "filter.exclude_product_ids": allowing(lambda f: f.exclude_product_ids.extend(["x"] * 1001)),
    "filter.exclude_product_ids[0]": allowing(lambda f: f.exclude_product_ids.append("")),
    "filter.price_range": prices(gbp(2), gbp(1)),
    "filter.price_range.min.currency_code": prices(Money(units=1), None),
    "filter.price_range.max.currency_code": prices(None, Money(currency_code="pounds", units=1)),
    "filter.price_range.max.nanos": prices(None, gbp(1, -5)),
}


@pytest.mark.parametrize("field", BEYOND)
def test_what_is_beyond_its_limit_names_its_field(field: str) -> None:
    """FIELD_INVALID with the path as a caller writes it, in one short line."""
    error = refused(BEYOND[field])
    assert (error.field, error.reason) == (field, "FIELD_INVALID")


@pytest.mark.parametrize("tag", ["german", "d", "de_DE", "de-", "en us", "12"])
def test_a_language_is_a_tag(tag: str) -> None:
    """As BCP 47 writes them, and no name."""
    error = refused(context(lambda c: setattr(c, "language_code", tag)))
    assert (error.field, error.reason) == ("context.language_code", "FIELD_INVALID")


@pytest.mark.parametrize("latitude", [float("nan"), float("inf")])
def test_coordinates_that_are_no_numbers_are_refused(latitude: float) -> None:
    """NaN is in no range."""
    assert refused(point(latitude, 0)).field == "context.location.lat_lng.latitude"


def test_a_range_has_one_currency() -> None:
    """Both ends of a price range must be comparable."""
    error = refused(prices(gbp(1), Money(currency_code="EUR", units=2)))
    assert str(error) == "filter.price_range: min and max differ in currency"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (Request(filter=common.ProductFilter.FromString(b"\xa8\x06\x01")), "filter"),
        (Request(filter=common.ProductFilter(
            price_range=common.PriceRange.FromString(b"\xa8\x06\x01"))), "filter.price_range"),
    ],
)  # fmt: skip
def test_a_filter_that_is_not_understood_is_never_ignored(request_: Request, field: str) -> None:
    """What there are no data for yet, and fields of a later version, are FILTER_UNSUPPORTED."""
    error = refused(request_)
    assert (error.field, error.reason) == (field, "FILTER_UNSUPPORTED")


def test_a_page_token_that_was_not_made_here_is_refused() -> None:
    """With a reason of its own."""
    assert refused(Request(page_token="2")).reason == "PAGE_TOKEN_INVALID"  # noqa: S106  # no secret


def test_an_empty_request_is_a_question() -> None:
    """Anonymous, anywhere, everything that is sold."""
    assert recommend_question(Request()) == Question()


def test_everything_that_is_asked_arrives() -> None:
    """At its limit every field is taken over; coordinates arrive as a cell and nothing finer."""
    request = Request(
        shopper=common.Shopper(customer_id="x" * 256, session_id="s1"),
        context=common.RecommendationContext(
            location=common.Location(
                subdivision_code="GB-ENG",
                postal_code="LS1 4DY",
                store_id="leeds-1",
                lat_lng=LatLng(latitude=53.79, longitude=-1.54),
            ),
            basket=[common.LineItem(product_id="milk", quantity=2, unit_price=gbp(1, 150_000_000))],
            recent_product_ids=["tea"],
            as_of_time=Timestamp(seconds=1_700_000_000, nanos=500_000_000),
            channel=common.CHANNEL_APP,
            placement_id="home-top",
            journey_stage=common.JOURNEY_STAGE_POST_PURCHASE,
            currency_code="EUR",
            language_code="pt-BR",
        ),
        page_size=1000,
        filter=common.ProductFilter(
            category_paths=["Drinks"],
            brands=["Alta"],
            price_range=common.PriceRange(min=gbp(1, 500_000_000), max=gbp(3)),
            exclude_product_ids=["jam"],
            attributes_any={"label": common.AttributeValues(values=["fair", "organic"])},
            in_stock_only=True,
            exclude_purchased=True,
            strict=True,
        ),
        diversity=api.DIVERSITY_HIGH,
        explain=True,
        include_products=True,
        experiment_id="e1",
        page_token=TOKENS.pages.write(b"shown"),
        consistency_token=TOKENS.consistency.write(1234),
    )
    question = recommend_question(request)
    assert question.customer_id == "x" * 256
    assert question.location.country_code == "GB"  # lent by the subdivision
    assert question.location.cell == cell_of(53.79, -1.54)
    assert "53.79" not in repr(question)
    assert (question.basket, question.recent, question.excluded) == (("milk",), ("tea",), ("jam",))
    assert question.as_of_time == 1_700_000_000.5
    assert question.stage is Stage.POST_PURCHASE
    assert (question.channel, question.placement_id) == ("APP", "home-top")
    assert (question.currency, question.language) == ("EUR", "pt-BR")
    assert question.size == 100
    wanted = question.catalogue_filter
    assert (wanted.price_min, wanted.price_max, wanted.currency) == (1.5, 3.0, "GBP")
    assert (wanted.category_paths, wanted.brands) == (("Drinks",), ("Alta",))
    assert wanted.attributes == {"label": ("fair", "organic")}
    assert question.only_new
    assert question.in_stock_only
    assert question.strict
    assert question.explain
    assert question.include_products
    assert (question.must_see.ledger, question.page) == (1234, b"shown")
    assert question.diversity is Diversity.HIGH
    assert (question.session_id, question.experiment_id) == ("s1", "e1")


def test_an_unknown_level_of_diversity_is_refused() -> None:
    """It is never taken for one that is known; none given is left to the shop."""
    assert refused(Request(diversity=5)).metadata["field"] == "diversity"  # type: ignore[arg-type]  # of a later version
    assert recommend_question(Request(diversity=api.DIVERSITY_NONE)).diversity is Diversity.NONE


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({f"name{i}": ["x"] for i in range(21)}, "has 21 entries; at most 20"),
        ({"colour": ["x"] * 101}, "has 101 entries; at most 100"),
        ({"colour": ["x" * 257]}, "has 257 bytes; at most 256"),
        ({"x" * 257: ["red"]}, "has 257 bytes; at most 256"),
        ({"": ["red"]}, "is required"),
        ({"colour": []}, "has no values"),
    ],
)
def test_attributes_have_limits(wanted: dict[str, list[str]], why: str) -> None:
    """20 of them, 100 values each, 256 bytes, and none that asks for nothing."""
    values = {name: common.AttributeValues(values=each) for name, each in wanted.items()}
    error = refused(Request(filter=common.ProductFilter(attributes_any=values)))
    assert error.field.startswith("filter.attributes_any")
    assert why in str(error)


def test_a_visitor_asks_as_one() -> None:
    """A visitor's id is never taken for a customer's."""
    asked = recommend_question(shopper(visitor_id="device-1"))
    assert asked == Question(visitor_id="device-1")


def test_similar_products_need_a_product() -> None:
    """Required, and within the limit of ids."""
    with pytest.raises(InvalidRequestError, match="product_id: is required"):
        similar_question(api.ListSimilarProductsRequest())
    asked = api.ListSimilarProductsRequest(product_id="tea", page_size=3)
    assert similar_question(asked).size == 3


@pytest.mark.parametrize(
    ("product_ids", "field"),
    [([], "product_ids"), (["x"] * 101, "product_ids"), (["x", ""], "product_ids[1]")],
)
def test_one_to_a_hundred_products_go_together(product_ids: list[str], field: str) -> None:
    """Each of them with an id."""
    with pytest.raises(InvalidRequestError) as caught:
        requests.together_question(api.ListBoughtTogetherRequest(product_ids=product_ids), TOKENS)
    assert (caught.value.field, caught.value.reason) == (field, "FIELD_INVALID")
    hundred = api.ListBoughtTogetherRequest(product_ids=["x"] * 100, page_size=3)
    assert requests.together_question(hundred, TOKENS) == Question(size=3)


def test_who_needs_what_again_is_a_question_like_any_other() -> None:
    """With the fields of all."""
    asked = api.ListBuyAgainRequest(shopper=common.Shopper(customer_id="anna"), explain=True)
    assert requests.again_question(asked, TOKENS) == Question(customer_id="anna", explain=True)


def test_every_stage_is_known() -> None:
    """Each value of the API is a stage of the kernel."""
    stages = [requests.read_stage("stage", value) for value in common.JourneyStage.values()]
    assert stages == list(Stage)


def test_ids_are_counted_in_bytes() -> None:
    """Not in characters."""
    assert check_id("id", "é" * 128) == "é" * 128
    with pytest.raises(InvalidRequestError, match="has 258 bytes; at most 256"):
        check_id("id", "é" * 129)
